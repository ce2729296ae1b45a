"""Linear interpolation of parts of an image: what `fcn.models.resizing` does to a whole one."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.inference.engines.engine import Floats

# Numbers that one piece of the work takes; 16 MB.
_PIECE = 2**22


class Taps(NamedTuple):
    """Which inputs make up each output along one axis, and with what weights.

    Attributes:
        length: Number of inputs.
        first: `int64[outputs]`, the first input of each output; never falling, and below 0 or near `length`
            where weights are 0 for inputs that there are not.
        weights: `float32[outputs, taps]`, of that input and those behind it; they sum to 1.
    """

    length: int
    first: npt.NDArray[np.int64]
    weights: Floats

    @property
    def stop(self) -> npt.NDArray[np.int64]:
        """Returns for each output the input behind its last one, `int64[outputs]`."""
        stop: npt.NDArray[np.int64] = np.minimum(self.first + self.weights.shape[1], self.length)
        return stop

    def inputs(self, first: int, stop: int) -> tuple[int, int]:
        """Returns the range of inputs that the outputs from `first` to in front of `stop` are made of."""
        return max(0, int(self.first[first])), int(self.stop[stop - 1])


def linear_taps(length: int, new_length: int) -> Taps:
    """Returns the taps that bring `length` elements to `new_length`, over more of them the fewer are left.

    A triangle as wide as the distance between outputs, but at least between inputs, lies on the center of
    each output. In float32, and in the order of Keras' `scale_and_translate`: places far from the start are
    rounded as much there, and this has to come to the same.

    Example:
        >>> linear_taps(2, 4).weights[:, :2].tolist()
        [[0.0, 1.0], [0.75, 0.25], [0.25, 0.75], [1.0, 0.0]]
    """
    one, half = np.float32(1), np.float32(0.5)
    spacing = one / (np.float32(new_length) / np.float32(length))
    reach = max(spacing, one)
    places = (np.arange(new_length, dtype=np.float32) + half) * spacing - half
    first = np.floor(places - reach).astype(np.int64) + 1
    inputs = first[:, np.newaxis] + np.arange(math.ceil(2 * reach) + 1)
    distance = np.abs(places[:, np.newaxis] - inputs.astype(np.float32)) / reach
    weights = np.where((inputs >= 0) & (inputs < length), np.maximum(0, one - distance), 0)
    return Taps(length, first, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def divide_outputs(taps: Taps, stops: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Divides outputs among windows of their inputs.

    Args:
        taps: How outputs are made of inputs.
        stops: The input behind the last one of each window, in any order. A window has to begin at least two
            outputs' inputs in front of the end of the one before it.

    Returns:
        For each of `stops` the first output whose inputs are all in front of it, but not all in front of the
        stop before it, and the output behind the last such one.
    """
    bounds = {stop: int(np.searchsorted(taps.stop, stop, side="right")) for stop in sorted(set(stops))}
    return dict(zip(bounds, zip((0, *bounds.values()), bounds.values(), strict=False), strict=True))


def resample(
    source: npt.NDArray[Any],
    origin: tuple[int, int],
    taps: Sequence[Taps],
    rows: tuple[int, int],
    columns: tuple[int, int],
) -> Iterator[tuple[int, Floats]]:
    """Interpolates a part of a map, a few rows at a time.

    Args:
        source: `[h, w, C]`, the part of the whole map that is at hand; at least all that `Taps.inputs` names.
        origin: Row and column at which that part begins in the whole map.
        taps: Of the rows and of the columns, for the whole map.
        rows: First row of the result, and the one behind its last.
        columns: First column of the result, and the one behind its last.

    Yields:
        The first of some rows, and those rows, `float32[n, columns, C]`; all rows in order.
    """
    left, right = taps[1].inputs(*columns)
    source = source[:, left - origin[1] : right - origin[1]]
    step = max(1, _PIECE // max(1, max(right - left, columns[1] - columns[0]) * source.shape[2]))
    for row in range(rows[0], rows[1], step):
        stop = min(row + step, rows[1])
        part = _interpolate(source, origin[0], taps[0], (row, stop), 0)
        yield row, _interpolate(part, left, taps[1], columns, 1)


def _interpolate(
    source: npt.NDArray[Any], origin: int, taps: Taps, outputs: tuple[int, int], axis: int
) -> Floats:
    """Returns sums of the elements of `source`, which begins at `origin`, along an axis."""
    chosen = slice(*outputs)
    shape = [1] * source.ndim
    shape[axis] = -1
    total: Any = None
    for tap, weights in enumerate(taps.weights[chosen].T):
        # Where an input is missing its weight is 0, and any other may stand in.
        places = np.clip(taps.first[chosen] + tap - origin, 0, source.shape[axis] - 1)
        term = source.take(places, axis) * weights.reshape(shape)
        total = term if total is None else np.add(total, term, out=total)
    mixed: Floats = total
    return mixed
