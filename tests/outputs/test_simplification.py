"""Tests of simpler polygons: no point of a border moves further than half a pixel."""

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from fcn.outputs.coco import polygon_annotations, trace_regions
from fcn.outputs.simplification import simplify_polygon

Points = np.ndarray[Any, np.dtype[np.float64]]


def points_along(polygon: list[float]) -> Points:
    """Points of a border, a tenth of a pixel apart, with all corners."""
    corners = np.array(polygon, float).reshape(-1, 2)
    following = np.roll(corners, -1, axis=0)
    steps = np.maximum(1, np.ceil(10 * np.abs(following - corners).max(axis=1))).astype(int)
    return np.concatenate(
        [a + np.arange(n)[:, None] / n * (b - a) for a, b, n in zip(corners, following, steps, strict=True)]
    )


def distance(points: Points, polygon: list[float]) -> float:
    """The largest distance of any of the points from the border of a polygon."""
    corners = np.array(polygon, float).reshape(-1, 2)
    nearest = np.full(len(points), np.inf)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = end - start
        share = np.clip((points - start) @ along / (along @ along), 0, 1)
        nearest = np.minimum(nearest, np.hypot(*(points - start - share[:, None] * along).T))
    return float(nearest.max())


def drawn(kind: str, seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    rng = np.random.default_rng(seed)
    label = np.zeros((25, 30), np.uint8)
    if kind == "noise":
        return rng.integers(0, 2, (12, 15), np.uint8)
    for _ in range(4):
        corners = rng.integers(0, 30, (int(rng.integers(2, 7)), 1, 2), np.int32)
        if kind == "lines":
            cv2.polylines(label, [corners], True, 1)
        else:
            cv2.fillPoly(label, [corners], 1)
            cv2.circle(label, corners[0, 0].tolist(), int(rng.integers(1, 9)), int(rng.integers(2)), -1)
    return label


@settings(deadline=None, max_examples=25)
@given(kind=st.sampled_from(["noise", "lines", "shapes"]), seed=st.integers(0, 9999))
def test_borders_stay_within_half_a_pixel(kind: str, seed: int) -> None:
    for annotation in polygon_annotations(drawn(kind, seed)):
        for polygon in annotation["segmentation"]:
            simpler = simplify_polygon(polygon)
            assert len(simpler) <= len(polygon)
            assert distance(points_along(polygon), simpler) <= 0.5 + 1e-6
            assert distance(points_along(simpler), polygon) <= 0.5 + 1e-6


def test_rectangles_and_corners_stay() -> None:
    for polygon in ([0, 0, 0, 1, 1, 1, 1, 0], [0, 0, 0, 9, 9, 9, 9, 5, 5, 5, 5, 0]):
        assert simplify_polygon(polygon) == polygon


@pytest.mark.parametrize("slope", [1, 2, 5])
def test_a_staircase_becomes_a_line(slope: int) -> None:
    label = (np.arange(40)[:, None] * slope >= np.arange(120)).astype(np.uint8)
    (annotation,) = (one for one in trace_regions(label, simplify=True).annotations if one["category_id"])
    (polygon,) = annotation["segmentation"]
    assert len(polygon) <= 2 * 7 < 2 * 50
    assert annotation["area"] == label.sum()


def test_a_disk_has_a_fraction_of_its_corners_and_its_area() -> None:
    label = np.zeros((220, 220), np.uint8)
    cv2.circle(label, (110, 110), 100, 1, -1)
    exact, simple = (
        next(one for one in trace_regions(label, simplify=simplify).annotations if one["category_id"])
        for simplify in (False, True)
    )
    assert len(simple["segmentation"][0]) < len(exact["segmentation"][0]) / 3
    assert (simple["area"], simple["bbox"]) == (exact["area"], exact["bbox"])
    mask = coco_mask.decode(coco_mask.frPyObjects(simple["segmentation"], 220, 220))[..., 0]
    changed = np.flatnonzero((mask != label).any(axis=1))
    assert np.count_nonzero(mask != label) < 0.02 * label.sum(), changed
