"""Tests of the picture of an effective field."""

from fractions import Fraction

import numpy as np

from fcn.inspection.effective import EffectiveField
from fcn.inspection.facts import ReceptiveField
from fcn.inspection.picture import EFFECTIVE_COLOR, THEORETICAL_COLOR, field_picture


def effective(height: int, width: int, center: tuple[int, int], most: int) -> EffectiveField:
    shares = np.zeros((height, width), np.float32)
    shares[center] = 1
    return EffectiveField(shares, center, center, 1, most)


def places(picture: np.ndarray, color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Returns top, left, bottom and right of what has a color."""
    found = np.argwhere((picture == color).all(axis=-1))
    return (*found.min(axis=0).tolist(), *found.max(axis=0).tolist())


def test_frames_stand_where_the_fields_are() -> None:
    image = np.full((60, 80, 3), 90, np.uint8)
    seen = ReceptiveField(Fraction(1), 21, -10, Fraction(0))
    picture = field_picture(image, effective(60, 80, (30, 40), 11), (seen, seen))
    assert picture.shape == (60, 80, 3)
    assert places(picture, THEORETICAL_COLOR) == (20, 30, 40, 50)
    assert places(picture, EFFECTIVE_COLOR) == (25, 35, 35, 45)
    # Far from what counts there is the image, dark; where it counts there is color.
    assert picture[0, 0].tolist() == [45, 45, 45]
    assert picture[30, 40].astype(int).sum() > 3 * 90


def test_a_field_larger_than_the_image_is_framed_along_its_border() -> None:
    image = np.full((30, 40, 3), 90, np.uint8)
    seen = ReceptiveField(Fraction(1), 404, -200, Fraction(0))
    picture = field_picture(image, effective(30, 40, (15, 20), 3), (seen, seen))
    assert places(picture, THEORETICAL_COLOR) == (0, 0, 29, 39)


def test_a_large_image_is_made_smaller_with_its_frames() -> None:
    image = np.full((960, 1280, 3), 90, np.uint8)
    picture = field_picture(image, effective(960, 1280, (480, 640), 201), None)
    assert picture.shape == (480, 640, 3)
    top, left, bottom, right = places(picture, EFFECTIVE_COLOR)
    assert {bottom - top, right - left} <= {99, 100}
