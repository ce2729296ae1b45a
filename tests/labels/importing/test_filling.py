"""Shapes are filled as their own tools fill them, to the pixel."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from fcn.labels.importing.filling import (
    LabelmeShape,
    check_points,
    fill_as_coco,
    fill_as_labelme,
    fill_as_opencv,
    read_runs,
)

HEIGHT, WIDTH = 23, 31
coordinate = st.floats(-4, 36, allow_nan=False).map(lambda value: round(value, 3))
point = st.tuples(coordinate, coordinate)
polygon = st.lists(point, min_size=3, max_size=8)


def one_by_one(shapes):
    """Draws each shape on a mask of its own, as labelme's converters do, and puts them over each other."""
    keys = np.zeros((HEIGHT, WIDTH), np.int32)
    for kind, points, key in shapes:
        mask = Image.new("L", (WIDTH, HEIGHT))
        draw = ImageDraw.Draw(mask)
        if kind == "circle":
            (x, y), (px, py) = points
            d = math.sqrt((x - px) ** 2 + (y - py) ** 2)
            draw.ellipse([x - d, y - d, x + d, y + d], outline=1, fill=1)
        elif kind == "rectangle":
            draw.rectangle(points, outline=1, fill=1)
        else:
            draw.polygon(xy=points, outline=1, fill=1)
        keys[np.array(mask) > 0] = key
    return keys


@given(st.lists(polygon, max_size=5))
def test_polygons_of_labelme(polygons):
    shapes = [("polygon", points, key) for key, points in enumerate(polygons, start=1)]
    found = fill_as_labelme((HEIGHT, WIDTH), [LabelmeShape(*shape) for shape in shapes])
    np.testing.assert_array_equal(found, one_by_one(shapes))


@given(point, point)
def test_circles_and_rectangles_of_labelme(one, other):
    corners = [tuple(map(min, zip(one, other, strict=True))), tuple(map(max, zip(one, other, strict=True)))]
    for kind, points in (("circle", [one, other]), ("rectangle", corners)):
        found = fill_as_labelme((HEIGHT, WIDTH), [LabelmeShape(kind, points, 7)])
        np.testing.assert_array_equal(found, one_by_one([(kind, points, 7)]), err_msg=kind)


def test_a_rectangle_may_begin_at_any_corner():
    drawn = [
        fill_as_labelme((9, 9), [LabelmeShape("rectangle", points, 1)])
        for points in ([(2, 3), (6, 7)], [(6, 7), (2, 3)], [(6, 3), (2, 7)])
    ]
    assert drawn[0].sum() == 25
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] == drawn[2]).all()


def test_a_mask_of_labelme_lies_at_its_first_point():
    mask = np.array([[1, 0], [1, 1]], bool)
    found = fill_as_labelme((4, 5), [LabelmeShape("mask", [(2.0, 1.0), (3.0, 2.0)], 300, mask)])
    expected = np.zeros((4, 5), int)
    expected[1:3, 2:4][mask] = 300
    np.testing.assert_array_equal(found, expected)


@given(st.lists(polygon, min_size=1, max_size=3))
def test_polygons_of_coco(polygons):
    flat = [[number for xy in points for number in xy] for points in polygons]
    encoded = coco_mask.merge(coco_mask.frPyObjects(flat, HEIGHT, WIDTH))
    keys = np.zeros((HEIGHT, WIDTH), np.int32)
    fill_as_coco(keys, flat, 5)
    np.testing.assert_array_equal(keys, coco_mask.decode(encoded) * 5)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 60))
def test_run_lengths_of_coco(seed, height, width):
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    encoded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    text = encoded["counts"].decode()
    for counts in (text, read_runs(text)):
        keys = np.zeros((height, width), np.int32)
        fill_as_coco(keys, {"size": [height, width], "counts": counts}, 9)
        np.testing.assert_array_equal(keys, mask * 9)


@pytest.mark.parametrize(
    "segmentation",
    [
        None,
        "text",
        [["a"] * 6],
        [[1, 2, 3, 4, 5]],
        [[0, 0, 1e9, 0, 5, 5]],
        [[0, 0, float("nan"), 0, 5, 5]],
        [[0, 0, 900_000, 900_000] * 4],
        {"size": [4, 5]},
        {"size": [5, 4], "counts": [20]},
        {"size": [4, 5], "counts": [21]},
        {"size": [4, 5], "counts": [30, -10]},
        {"size": [4, 5], "counts": [[20]]},
        {"size": [4, 5], "counts": "PPPP"},
        {"size": [4, 5], "counts": "\x7f"},
        {"size": [4, 5], "counts": "oooooooooooooooo1"},
    ],
)
def test_what_is_no_segmentation_is_refused(segmentation):
    with pytest.raises(ValueError, match=r"its (points|outline|segmentation|run lengths)"):
        fill_as_coco(np.zeros((4, 5), np.int32), segmentation, 1)


def test_points_are_rounded_for_opencv():
    keys = np.zeros((6, 6), np.int32)
    fill_as_opencv(keys, [[(0.6, 0.6), (4.4, 0.6), (4.4, 4.4), (0.6, 4.4)]], 3)
    assert (keys[1:5, 1:5] == 3).all()
    assert keys.sum() == 16 * 3


@pytest.mark.parametrize(
    "values", [[[1, 2, 3]], [1, 2, 3], "12", [[1, None]], [[[1, 2]]], [[1e7, 0]], {"a": 1}]
)
def test_points_are_pairs_of_numbers_near_the_image(values):
    with pytest.raises(ValueError, match="its points"):
        check_points(values)
