"""Tests of the colors that overlays have."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from fcn.classes import MAX_CLASSES, voc_palette
from fcn.outputs.bright_palette import bright_palette

# Linear RGB as people without red or green cones see it: Viénot, Brettel and Mollon 1999.
_WITHOUT = {
    "red": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
    "green": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
}


def lab_of(colors: npt.NDArray[np.uint8], without: str | None = None) -> npt.NDArray[np.float32]:
    """Returns CIELAB, of floats, as somebody sees colors who may have no cones of one kind."""
    values = colors / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = linear @ np.transpose(_WITHOUT[without]) if without else linear
    return cv2.cvtColor(np.clip(seen, 0, 1)[np.newaxis].astype(np.float32), cv2.COLOR_LRGB2Lab)[0]


def least_distance(lab: npt.NDArray[np.float32]) -> float:
    between = np.linalg.norm(lab[:, np.newaxis] - lab, axis=-1)
    return float(between[~np.eye(len(lab), dtype=bool)].min())


def test_no_color_is_dark_gray_or_there_twice() -> None:
    colors = bright_palette(MAX_CLASSES)
    lightness, *chroma = lab_of(colors).T
    assert lightness.min() > 48
    assert np.hypot(*chroma).min() > 30
    assert len(np.unique(colors, axis=0)) == MAX_CLASSES
    assert (lab_of(voc_palette()[1:21])[:, 0] < 48).sum() >= 12  # what these colors are there for


@pytest.mark.parametrize(("count", "least"), [(6, 40), (11, 30), (20, 20), (40, 12)])
def test_colors_are_far_from_each_other(count: int, least: float) -> None:
    found = least_distance(lab_of(bright_palette(count)))
    assert found > least
    assert found > least_distance(lab_of(voc_palette()[1 : count + 1]))


@pytest.mark.parametrize("cones", sorted(_WITHOUT))
@pytest.mark.parametrize(("count", "least"), [(6, 20), (11, 10), (20, 5)])
def test_colors_can_be_told_apart_without_some_cones(cones: str, count: int, least: float) -> None:
    found = least_distance(lab_of(bright_palette(count), cones))
    assert found > least
    assert found > 1.5 * least_distance(lab_of(voc_palette()[1 : count + 1], cones))


def test_more_classes_do_not_change_the_first_colors() -> None:
    for count in (0, 1, 20, 21, 60):
        np.testing.assert_array_equal(bright_palette(256)[:count], bright_palette(count))
