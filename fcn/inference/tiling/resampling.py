"""Interpolates parts of an image linearly, as `fcn.models.resizing` does with a whole one."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.inference.engines.engine import Floats

# Numbers in one step of the interpolation; 16 MB.
_PIECE = 2**22


class Taps(NamedTuple):
    """The inputs of each output along one axis, and their weights.

    Attributes:
        length: Number of inputs.
        first: `int64[outputs]`, the first input of each output; never decreasing. It may be below 0 or near
            `length`; inputs that do not exist have weight 0.
        weights: `float32[outputs, taps]`, of that input and the following ones; they sum to 1.
    """

    length: int
    first: npt.NDArray[np.int64]
    weights: Floats

    @property
    def stop(self) -> npt.NDArray[np.int64]:
        """Returns for each output the input after its last one, `int64[outputs]`."""
        stop: npt.NDArray[np.int64] = np.minimum(self.first + self.weights.shape[1], self.length)
        return stop

    def inputs(self, first: int, stop: int) -> tuple[int, int]:
        """Returns the range of inputs of the outputs from `first` up to, but without, `stop`."""
        return max(0, int(self.first[first])), int(self.stop[stop - 1])


def linear_taps(length: int, new_length: int) -> Taps:
    """Returns the taps that resize `length` elements to `new_length`, with antialiasing.

    The weights of an output are a triangle around its center, as wide as the distance between outputs, but at
    least that between inputs. It is computed in float32 and in the order of Keras' `scale_and_translate`, so
    that positions are rounded equally.

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
        taps: The inputs of each output.
        stops: The input after the last one of each window, in any order. Windows must overlap by at least the
            inputs of two outputs.

    Returns:
        For each of `stops` the range of outputs, first and stop, with all inputs before it but not all before
        the previous stop.
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
        source: `[h, w, C]`, a part of the whole map; at least all inputs that `Taps.inputs` returns.
        origin: Row and column at which that part begins in the whole map.
        taps: Taps of the rows and of the columns, for the whole map.
        rows: First row of the result, and the one after its last.
        columns: First column of the result, and the one after its last.

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
    """Returns weighted sums along an axis of `source`, which begins at `origin` of the whole map."""
    chosen = slice(*outputs)
    shape = [1] * source.ndim
    shape[axis] = -1
    total: Any = None
    for tap, weights in enumerate(taps.weights[chosen].T):
        # A missing input has weight 0, so any other may take its place.
        places = np.clip(taps.first[chosen] + tap - origin, 0, source.shape[axis] - 1)
        term = source.take(places, axis) * weights.reshape(shape)
        total = term if total is None else np.add(total, term, out=total)
    mixed: Floats = total
    return mixed
