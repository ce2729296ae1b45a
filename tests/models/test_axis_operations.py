"""Tests of the steps: by hand, and against what gradients say."""

from fractions import Fraction

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.models.axis_operations import Chart, Resizing, Sliding, Source, Span, Transposing, grids, seen_by
from fcn.models.geometry import Grid


def stacked(*steps: Sliding | Transposing | Resizing) -> Chart:
    return [[], *([Source(index, step)] for index, step in enumerate(steps))]


def size(chart: Chart) -> int:
    span = seen_by(chart, len(chart) - 1, 0)
    return span.last - span.first + 1


def reaching(layer: keras.layers.Layer, length: int, output: int) -> tuple[int, ...]:
    """Returns the inputs whose gradient of one output is not zero."""
    signal = tf.Variable(tf.ones((1, length, 1)))
    with tf.GradientTape() as tape:
        answer = layer(signal)[0, output, 0]
    return tuple(np.flatnonzero(tape.gradient(answer, signal)[0, :, 0]).tolist())


ONES = {"filters": 1, "kernel_initializer": "ones", "use_bias": False}


@settings(max_examples=25)
@given(kernel_size=st.integers(1, 5), strides=st.integers(1, 4), output=st.integers(0, 3))
def test_taps_of_a_convolution_are_those_with_a_gradient(kernel_size, strides, output) -> None:
    layer = keras.layers.Conv1D(kernel_size=kernel_size, strides=strides, **ONES)
    assert Sliding(kernel_size, strides).taps(output) == reaching(layer, 20, output)


@settings(max_examples=25)
@given(kernel_size=st.integers(1, 4), rate=st.integers(1, 5), output=st.integers(0, 3))
def test_taps_of_a_dilated_convolution_are_those_with_a_gradient(kernel_size, rate, output) -> None:
    layer = keras.layers.Conv1D(kernel_size=kernel_size, dilation_rate=rate, **ONES)
    step = Sliding(kernel_size, dilation_rate=rate)
    taps = reaching(layer, 20, output)
    assert step.taps(output) == taps
    assert step.inputs(Span(output, output)) == (taps[0], taps[-1])


@settings(max_examples=25)
@given(kernel_size=st.integers(1, 7), strides=st.integers(1, 4), output=st.integers(8, 14))
def test_taps_of_a_transposed_convolution_are_those_with_a_gradient(kernel_size, strides, output) -> None:
    layer = keras.layers.Conv1DTranspose(kernel_size=kernel_size, strides=strides, **ONES)
    assert Transposing(kernel_size, strides).taps(output) == reaching(layer, 16, output)


def test_one_kernel_of_9_values_dilated_by_4_covers_9x9() -> None:
    step = Sliding(3, dilation_rate=4)
    assert step.inputs(Span(0, 0)) == Span(0, 8)
    assert len(step.taps(0)) ** 2 == 9


@pytest.mark.parametrize("layers", range(1, 11))
def test_dilations_1_2_4_grow_the_field_exponentially(layers: int) -> None:
    # WaveNet's stack (van den Oord et al., 2016, figure 3): kernels of 2; 10 layers see 1,024 samples.
    assert size(stacked(*(Sliding(2, dilation_rate=2**n) for n in range(layers)))) == 2**layers
    # Yu & Koltun, section 2: kernels of 3; the i-th map sees 2^(i + 2) - 1 with i from 0.
    assert size(stacked(*(Sliding(3, dilation_rate=2**n) for n in range(layers)))) == 2 ** (layers + 1) - 1


def test_the_context_module_sees_67() -> None:
    # Yu & Koltun, table 1: 3, 5, 9, 17, 33, 65, 67, 67.
    chart = stacked(*(Sliding(3, dilation_rate=rate) for rate in (1, 1, 2, 4, 8, 16, 1)), Sliding(1))
    fields = []
    for index in range(1, len(chart)):
        first, last = seen_by(chart, index, 0)
        fields.append(last - first + 1)
    assert fields == [3, 5, 9, 17, 33, 65, 67, 67]


def test_elements_of_one_map_may_see_differently_much() -> None:
    # Every second output of this one meets two inputs, the others one.
    chart = stacked(Sliding(2, 2), Transposing(3, 2))
    assert [seen_by(chart, 2, element) for element in range(4)] == [(-2, 1), (0, 1), (0, 3), (2, 3)]


def test_branches_are_joined_and_a_loose_end_is_not_known() -> None:
    chart = [[], [Source(0, Sliding(5))], [Source(0, Sliding(padding=-6)), Source(1, Sliding())], None]
    assert seen_by(chart, 2, 0) == Span(0, 6)
    assert seen_by([*chart, [Source(3, Sliding())]], 4, 0) is None
    assert grids([*chart, [Source(3, Sliding())]])[3:] == [None, None]


def test_a_kernel_smaller_than_its_stride_leaves_gaps() -> None:
    step = Transposing(1, 3)
    assert [step.taps(output) for output in range(4)] == [(0,), (), (), (1,)]
    assert seen_by(stacked(step), 1, 1) is None


@given(before=st.integers(1, 9), after=st.integers(1, 9), output=st.integers(0, 8), filtered=st.booleans())
def test_taps_of_an_interpolation_are_those_with_a_weight(before, after, output, filtered) -> None:
    scale = Fraction(after, before)
    step = Resizing(scale, max(Fraction(1), 1 / scale) if filtered else Fraction(1))
    center = (output + 0.5) * before / after - 0.5
    reach = max(1, before / after) if filtered else 1
    weights = {place: 1 - abs(place - center) / reach for place in range(-20, 100)}
    assert step.taps(output) == tuple(place for place, weight in weights.items() if weight > 1e-9)
    grid = step.grid(Grid())
    assert float(grid.offset + output * grid.stride) == pytest.approx(center)
