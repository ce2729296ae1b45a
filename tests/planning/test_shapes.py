"""Tests of the sizes of examples that a plan chooses from."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcn.planning.shapes import LEAST_SIDE, MOST_SIDE, choose_shapes

side = st.integers(1, 12_000)


@given(st.tuples(side, side))
def test_each_shape_is_less_work_than_the_one_before(median: tuple[int, int]) -> None:
    shapes = choose_shapes(median)
    assert all(one.net_pixels >= other.net_pixels for one, other in pairwise(shapes))
    reserve = [shape.is_reserve for shape in shapes]
    assert reserve == sorted(reserve)  # reserves come last
    assert not reserve[0]
    for shape in shapes:
        assert all(side % 32 == 0 for side in shape.crop_size)
        assert max(shape.crop_size) * shape.input_scale <= MOST_SIDE
        # A crop is no larger than the image, but for rounding.
        assert all(own <= max(32, side + 16) for own, side in zip(shape.crop_size, median, strict=True))
        if shape is not shapes[0] and not shape.is_reserve:
            assert shape.net_side >= LEAST_SIDE


@pytest.mark.parametrize(
    ("median", "expected"),
    [
        ((375, 500), "384x512 at input_scale 1"),
        ((720, 960), "736x960 at input_scale 0.5"),
        ((3000, 4000), "2048x2048 at input_scale 0.25"),
        ((20, 26), "32x32 at input_scale 1"),
    ],
)
def test_the_first_shape_is_the_median_image(median: tuple[int, int], expected: str) -> None:
    assert choose_shapes(median)[0].describe() == expected
