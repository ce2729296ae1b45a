"""Tests of labels for labeling tools: small regions become what is nearest."""

import numpy as np
import pytest
from scipy import ndimage

from fcn.classes import VOID, Classes
from fcn.outputs import prelabels
from fcn.outputs.annotation_options import AnnotationOptions, AreaLimit
from fcn.outputs.prediction import Prediction
from fcn.outputs.prelabels import merge_small_regions
from fcn.outputs.render import render


def speckled(seed: int) -> np.ndarray:
    """Blocks of four classes, and a tenth of the pixels of any class."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 4, (3, 5), np.uint8).repeat(20, axis=0).repeat(20, axis=1)
    noisy = rng.random(label.shape) < 0.1
    label[noisy] = rng.integers(0, 4, label.shape, np.uint8)[noisy]
    return label


def small_pixels(label: np.ndarray, min_area: int) -> tuple[np.ndarray, int]:
    small, count = np.zeros(label.shape, bool), 0
    for class_id in np.unique(label):
        regions, number = ndimage.label(label == class_id, np.ones((3, 3)))
        for region in range(1, number + 1):
            if (regions == region).sum() < min_area:
                small |= regions == region
                count += 1
    return small, count


@pytest.mark.parametrize("pixels_at_once", [2**24, 500])
def test_small_regions_become_the_nearest_large_one(
    pixels_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prelabels, "_PIXELS_AT_ONCE", pixels_at_once)
    label = speckled(0)
    before = label.copy()
    small, expected_count = small_pixels(label, 12)
    merged, count = merge_small_regions(label, 12)
    assert count == expected_count > 50
    np.testing.assert_array_equal(label, before)
    np.testing.assert_array_equal(merged[~small], label[~small])
    assert small_pixels(merged, 12)[1] == 0
    if pixels_at_once == 2**24:
        distance = ndimage.distance_transform_edt(small)
        for y, x in zip(*np.nonzero(small), strict=True):
            rows, columns = np.nonzero(~small & (merged == merged[y, x]))
            nearest = np.hypot(rows - y, columns - x).min()
            assert nearest <= 1.05 * distance[y, x]  # OpenCV's distances are that exact


def test_void_stays_and_a_label_of_small_regions_alone_too() -> None:
    label = np.array([[VOID, 1, 1, 1]], np.uint8)
    assert merge_small_regions(label, 2)[1] == 0
    checks = np.indices((8, 8)).sum(axis=0).astype(np.uint8) % 2
    assert merge_small_regions(checks, 99) == (checks, 0)


def test_the_count_is_on_record_once() -> None:
    label = np.zeros((50, 50), np.uint8)
    label[3, 3] = label[9, 9] = 1
    label[20:40, 20:40] = 2
    prediction = Prediction(np.zeros((50, 50, 3), np.uint8), Classes.named(("a", "b", "c")), (label, 1.0))
    options = AnnotationOptions(min_area=AreaLimit.parse("5"))
    for kinds in (("labelme",), ("cvat",), ("labelme", "cvat", "polygons"), ("polygons",)):
        assert render(kinds, prediction, options).record["left_out"] == 2
    assert "left_out" not in render(("rle",), prediction, options).record
