"""Tests of COCO annotations: pycocotools reads back every pixel of the label."""

import json
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from scipy import ndimage

from fcn.classes import VOID
from fcn.outputs import coco
from fcn.outputs.coco import TooManyCornersError, polygon_annotations, rle_annotations, trace_regions

Pixels = npt.NDArray[np.uint8]


def rows(*lines: str) -> Pixels:
    return np.array([[int(letter) for letter in line] for line in lines], np.uint8)


def noise(height: int, width: int, seed: int, void: bool = False) -> Pixels:
    rng = np.random.default_rng(seed)
    label = rng.choice(4, (height, width), p=(0.6, 0.2, 0.1, 0.1)).astype(np.uint8)
    label[label == 3] = VOID if void else 3
    return label


def blobs(height: int, width: int, seed: int) -> Pixels:
    coarse = np.random.default_rng(seed).integers(0, 3, (6, 6), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.uint8)


def drawn(polygons: list[list[int]], height: int, width: int) -> npt.NDArray[np.int_]:
    """How many of the polygons cover each pixel."""
    encoded = coco_mask.frPyObjects(polygons, height, width)
    return coco_mask.decode(encoded).astype(int).sum(axis=2)


@settings(deadline=None, max_examples=60)
@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 999))
def test_run_lengths_are_the_label(height: int, width: int, seed: int) -> None:
    label = noise(height, width, seed, void=True)
    read = np.full_like(label, VOID)
    for annotation in json.loads(json.dumps(rle_annotations(label))):
        mask = coco_mask.decode(annotation["segmentation"]).astype(bool)
        assert annotation["area"] == mask.sum()
        ys, xs = np.nonzero(mask)
        box = [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
        assert annotation["bbox"] == box
        assert (read[mask] == VOID).all()
        read[mask] = annotation["category_id"]
    np.testing.assert_array_equal(read, label)


@settings(deadline=None, max_examples=120)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 999),
    make=st.sampled_from([noise, blobs]),
)
def test_polygons_are_the_label_and_no_pixel_is_in_two(height: int, width: int, seed: int, make: Any) -> None:
    label = make(height, width, seed)
    read, covered = np.full_like(label, VOID), np.zeros(label.shape, int)
    for annotation in json.loads(json.dumps(polygon_annotations(label))):
        count = drawn(annotation["segmentation"], height, width)
        covered += count
        mask = count > 0
        assert annotation["area"] == mask.sum()
        ys, xs = np.nonzero(mask)
        assert annotation["bbox"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
        read[mask] = annotation["category_id"]
    np.testing.assert_array_equal(read, label)
    np.testing.assert_array_equal(covered, 1)


@settings(deadline=None, max_examples=60)
@given(height=st.integers(1, 30), width=st.integers(1, 30), seed=st.integers(0, 999))
def test_polygons_run_along_pixels_and_have_corners_only(height: int, width: int, seed: int) -> None:
    for annotation in polygon_annotations(noise(height, width, seed)):
        area = 0
        for polygon in annotation["segmentation"]:
            points = np.array(polygon).reshape(-1, 2)
            steps = np.roll(points, -1, axis=0) - points
            # Each step is either across or down, the next the other.
            assert (np.count_nonzero(steps, axis=1) == 1).all()
            assert ((steps[:, 0] == 0) != (np.roll(steps, 1, axis=0)[:, 0] == 0)).all()
            # The area by the shoelace formula: a polygon that overlaps itself would have another one.
            x, y = points.T
            area += abs(int(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))) // 2
        assert area == annotation["area"]


@settings(deadline=None, max_examples=60)
@given(height=st.integers(1, 30), width=st.integers(1, 30), seed=st.integers(0, 999))
def test_there_is_one_annotation_for_each_region(height: int, width: int, seed: int) -> None:
    label = noise(height, width, seed)
    expected = sorted(
        (value, int((regions == region).sum()))
        for value in np.unique(label).tolist()
        for regions, count in [ndimage.label(label == value, np.ones((3, 3)))]
        for region in range(1, count + 1)
    )
    annotations = polygon_annotations(label)
    assert sorted((one["category_id"], one["area"]) for one in annotations) == expected


def test_a_rectangle_has_four_corners() -> None:
    first, second = polygon_annotations(rows("1122", "1122", "1122"))
    assert first == {
        "category_id": 1,
        "segmentation": [[0, 0, 0, 3, 2, 3, 2, 0]],
        "bbox": [0, 0, 2, 3],
        "area": 6,
        "iscrowd": 0,
    }
    assert second["segmentation"] == [[2, 0, 2, 3, 4, 3, 4, 0]]


def test_a_ring_is_cut_above_and_below_its_hole() -> None:
    ring, hole = polygon_annotations(rows("000", "010", "000"))
    assert sorted(ring["segmentation"]) == [
        [0, 0, 0, 3, 1, 3, 1, 0],
        [1, 0, 1, 1, 2, 1, 2, 2, 1, 2, 1, 3, 3, 3, 3, 0],
    ]
    assert (ring["area"], ring["bbox"]) == (8, [0, 0, 3, 3])
    assert hole["segmentation"] == [[1, 1, 1, 2, 2, 2, 2, 1]]


def test_void_is_not_annotated() -> None:
    label = np.full((3, 4), VOID, np.uint8)
    assert polygon_annotations(label) == rle_annotations(label) == []


def test_a_large_label_is_traced_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coco, "_MAX_TRACED", 150)
    for height, width in ((40, 23), (11, 60)):
        label = blobs(height, width, seed=3)
        read = np.full_like(label, VOID)
        annotations = polygon_annotations(label)
        for annotation in annotations:
            mask = drawn(annotation["segmentation"], height, width) > 0
            read[mask] = annotation["category_id"]
            assert annotation["bbox"][2] * annotation["bbox"][3] <= 150
        np.testing.assert_array_equal(read, label)


def test_corners_are_counted_and_small_regions_left_out():
    label = noise(40, 50, 3)
    found = polygon_annotations(label)
    corners = sum(len(polygon) // 2 for one in found for polygon in one["segmentation"])
    assert trace_regions(label, most_corners=corners) == (found, 0)
    for too_few in (corners - 1, corners // 2, 3):
        with pytest.raises(TooManyCornersError):
            trace_regions(label, most_corners=too_few)
    large = [one for one in found if one["area"] >= 5]
    assert trace_regions(label, min_area=5) == (large, len(found) - len(large))


def test_a_region_with_too_many_holes_is_not_traced(monkeypatch):
    label = np.ones((99, 99), np.uint8)
    label[1:-1:2, 1:-1:2] = 255  # 2,401 holes
    monkeypatch.setattr(cv2, "findContours", None)
    with pytest.raises(TooManyCornersError):
        trace_regions(label, most_corners=9000)


def test_regions_that_are_nested_too_often_are_not_traced(monkeypatch):
    label = np.zeros((256, 256), np.uint8)
    for ring in range(0, 128, 2):
        label[ring : 256 - ring, ring : 256 - ring] = ring // 2 % 2
    assert len(polygon_annotations(label)) == 64
    monkeypatch.setattr(cv2, "findContours", None)
    with pytest.raises(TooManyCornersError):
        trace_regions(label, most_corners=100_000)
