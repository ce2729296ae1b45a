"""Tests of interpolating parts of an image, against the layers that interpolate whole ones."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.inference.tiling import resampling
from fcn.inference.tiling.resampling import divide_outputs, linear_taps, resample
from fcn.models.resizing import ResizeLike, Shrink, shrunk_size


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    scale=st.sampled_from([0.5, 0.37, 0.1, 1.0]),
    data=st.data(),
)
def test_parts_equal_those_of_the_whole(height: int, width: int, scale: float, data) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    shrunk = np.asarray(Shrink(scale)(image[np.newaxis]))[0]
    enlarged = np.asarray(ResizeLike()([shrunk[np.newaxis], image[np.newaxis]]))[0]
    for source, wanted in ((image, shrunk), (shrunk, enlarged)):
        taps = [linear_taps(old, new) for old, new in zip(source.shape[:2], wanted.shape[:2], strict=True)]
        part, given = [], []
        for axis in range(2):
            first = data.draw(st.integers(0, wanted.shape[axis] - 1))
            part.append((first, data.draw(st.integers(first + 1, wanted.shape[axis]))))
            given.append(taps[axis].inputs(*part[-1]))
        inputs = source[slice(*given[0]), slice(*given[1])]
        found = [rows for _, rows in resample(inputs, (given[0][0], given[1][0]), taps, *part)]
        np.testing.assert_allclose(
            np.concatenate(found), wanted[slice(*part[0]), slice(*part[1])], rtol=1e-5, atol=2e-3
        )


def test_a_few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "_PIECE", 200)
    image = np.random.default_rng(0).uniform(0, 255, (60, 30, 1)).astype(np.float32)
    taps = linear_taps(60, 45), linear_taps(30, 15)
    pieces = list(resample(image, (0, 0), taps, (0, 45), (0, 15)))
    assert len(pieces) > 5
    assert [row for row, _ in pieces] == np.cumsum([0, *(len(rows) for _, rows in pieces)])[:-1].tolist()
    wanted = keras.ops.image.resize(image, (45, 15), antialias=True)
    np.testing.assert_allclose(np.concatenate([rows for _, rows in pieces]), wanted, rtol=1e-5, atol=1e-3)


@given(length=st.integers(20, 300), scale=st.sampled_from([0.5, 0.37, 0.9]))
def test_each_output_goes_to_a_window_with_all_of_its_inputs(length: int, scale: float) -> None:
    small = shrunk_size(length, scale)
    taps = linear_taps(small, length)
    stops = [*range(10, small, 7), small]
    divided = divide_outputs(taps, stops)
    covered = np.concatenate([np.arange(*divided[stop]) for stop in stops])
    np.testing.assert_array_equal(covered, np.arange(length))
    for stop, before in zip(stops, [0, *stops], strict=False):
        if divided[stop][0] < divided[stop][1]:
            first, last = taps.inputs(*divided[stop])
            assert last <= stop
            assert first >= max(0, before - 6)
