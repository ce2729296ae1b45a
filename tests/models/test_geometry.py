from fractions import Fraction

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.models.geometry import CropOffsets, Grid, reference_crop_offsets


@pytest.mark.parametrize(
    ("stride", "expected"),
    [(32, CropOffsets(None, None, 19)), (16, CropOffsets(5, None, 27)), (8, CropOffsets(5, 9, 31))],
)
def test_the_published_offsets_follow_from_the_layers(stride: int, expected: CropOffsets) -> None:
    assert reference_crop_offsets(stride) == expected


LAYERS = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 3), st.integers(1, 2)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(layers=LAYERS)
def test_places_are_the_means_of_what_reaches_an_element(layers) -> None:
    # A net of means over a ramp returns, at each element, the mean place of the pixels it sees: its grid.
    size = 90
    grid, values = Grid(), np.arange(size, dtype=np.float64)
    for kernel_size, strides, padding, dilation_rate in layers:
        grid = grid.convolved(kernel_size, strides, padding, dilation_rate)
        # The ramp goes on beyond the border, so that padding does not bend it.
        step = values[1] - values[0]
        values = np.concatenate([values[0] - step * np.arange(padding, 0, -1), values])
        width = dilation_rate * (kernel_size - 1) + 1
        values = np.array(
            [values[i : i + width : dilation_rate].mean() for i in range(0, len(values) - width + 1, strides)]
        )
        if len(values) < 3:
            return
    places = float(grid.offset) + float(grid.stride) * np.arange(len(values))
    np.testing.assert_allclose(values, places, atol=1e-9)


@given(kernel_size=st.integers(1, 9), strides=st.integers(1, 4), padding=st.integers(0, 4))
def test_a_transposed_convolution_goes_back(kernel_size: int, strides: int, padding: int) -> None:
    start = Grid(Fraction(4), Fraction(-7, 2))
    assert start.convolved(kernel_size, strides, padding).transposed(kernel_size, strides, padding) == start


@pytest.mark.parametrize(("kernel_size", "strides"), [(4, 2), (16, 8), (5, 3), (3, 1)])
def test_a_transposed_kernel_is_centered_on_its_input(kernel_size: int, strides: int) -> None:
    layer = keras.layers.Conv2DTranspose(1, kernel_size, strides, use_bias=False, kernel_initializer="ones")
    scores = np.zeros((1, 3, 3, 1), np.float32)
    scores[0, 1, 1] = 1
    reached = np.flatnonzero(np.asarray(layer(scores))[0].sum(axis=(1, 2)))
    grid = Grid(Fraction(strides)).transposed(kernel_size, strides)
    assert float(grid.offset + reached.mean() * grid.stride) == pytest.approx(strides)


def test_grids_that_cannot_meet_are_refused() -> None:
    for one, other in (
        (Grid(Fraction(2)), Grid()),
        (Grid(), Grid(offset=Fraction(1, 2))),
        (Grid(), Grid(offset=Fraction(-1))),
    ):
        with pytest.raises(ValueError, match="Received"):
            one.elements_before(other)
