"""Cuts the input of a net into windows that overlap by its receptive field."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from fcn.models.fields import COARSEST_STRIDE

# An axis is not cut into more windows than about this.
_MOST_WINDOWS = 2**14


class Span(NamedTuple):
    """A window along one axis of the layers' input.

    Attributes:
        start: First pixel of the window; a multiple of the net's coarsest stride.
        stop: The pixel after its last one.
        first: First pixel with the logits of the whole image.
        last: The pixel after the last such one.
    """

    start: int
    stop: int
    first: int
    last: int


def cut(length: int, window: int, halo: tuple[int, int], overlap: int = 0) -> list[Span]:
    """Cuts an axis into windows whose kept parts cover it.

    All windows but the last have the same size and begin at multiples of the coarsest stride. So the maps of
    a window are parts of the maps of the whole image, also where odd sizes are rounded up at the end.

    Args:
        length: Pixels along the axis.
        window: Pixels in a window, a multiple of `COARSEST_STRIDE`.
        halo: Pixels before and after its own that an output pixel sees.
        overlap: Fewest pixels that neighboring kept parts share.

    Raises:
        ValueError: If the windows are too small to cover the axis.

    Example:
        >>> cut(120, 96, (20, 20))
        [Span(start=0, stop=96, first=0, last=76), Span(start=32, stop=120, first=76, last=120)]
    """
    if length <= window:
        return [Span(0, length, 0, length)]
    before, after = halo
    spans, start, first = [], 0, 0
    while start + window < length:
        last = start + window - after
        spans.append(Span(start, start + window, first, last))
        first = last - overlap
        following = (first - before) // COARSEST_STRIDE * COARSEST_STRIDE
        if following <= start:
            raise ValueError(
                f"Expected windows of at least {smallest_window(halo, overlap)} pixels. Received: {window}."
            )
        start = following
    # The last window begins as early as it may: with the size of the others it needs no kernels of its own.
    start = -(-(length - window) // COARSEST_STRIDE) * COARSEST_STRIDE
    return [*spans, Span(start, length, first, length)]


def smallest_window(halo: tuple[int, int], overlap: int = 0) -> int:
    """Returns the smallest window with a kept part of at least the coarsest stride."""
    return -(-(sum(halo) + overlap) // COARSEST_STRIDE) * COARSEST_STRIDE + COARSEST_STRIDE


def choose_windows(
    size: tuple[int, int],
    fits: Callable[[int, int], bool],
    halo: tuple[int, int],
    overlap: int = 0,
) -> tuple[list[Span], list[Span]]:
    """Cuts an image into the windows of rows and columns that need the least work.

    Args:
        size: (height, width) of the layers' input.
        fits: Returns whether the maps of a window of some rows and columns fit into the memory; whatever has
            no more rows and columns than another one that fits must fit too.
        halo: As for `cut`.
        overlap: As for `cut`.

    Raises:
        ValueError: If not even the smallest window fits.
    """
    least = smallest_window(halo, overlap)
    best: tuple[int, int, int] | None = None
    for height in _candidates(size[0], least):
        width = _largest(size[1], least, partial(fits, min(height, size[0])))
        if width is None:
            break
        work = _covered(size[0], height, halo, overlap) * _covered(size[1], width, halo, overlap)
        if best is None or work < best[0]:
            best = work, height, width
    if best is None:
        raise ValueError(f"Expected memory for windows of {least} x {least} pixels. Received: less.")
    _, height, width = best
    return cut(size[0], height, halo, overlap), cut(size[1], width, halo, overlap)


def _covered(length: int, window: int, halo: tuple[int, int], overlap: int) -> int:
    """Returns the pixels of all windows that `cut` makes of an axis, without making them."""
    if length <= window:
        return length
    step = (window - sum(halo) - overlap) // COARSEST_STRIDE * COARSEST_STRIDE
    beyond = length - window
    start = -(-beyond // COARSEST_STRIDE) * COARSEST_STRIDE
    return -(-beyond // step) * window + length - start


def _candidates(length: int, least: int) -> Iterator[int]:
    """Yields lengths of windows along an axis: all that differ, of a very long axis about a thousand."""
    largest = -(-length // COARSEST_STRIDE) * COARSEST_STRIDE
    window = min(max(least, length // _MOST_WINDOWS), largest)
    window = -(-window // COARSEST_STRIDE) * COARSEST_STRIDE
    while window < largest:
        yield window
        window += max(COARSEST_STRIDE, window // 100 // COARSEST_STRIDE * COARSEST_STRIDE)
    yield largest


def _largest(length: int, least: int, fits: Callable[[int], bool]) -> int | None:
    """Returns the largest window along an axis that fits, a multiple of the coarsest stride; None if none."""
    largest = -(-length // COARSEST_STRIDE)
    if fits(length):
        return largest * COARSEST_STRIDE
    first = min(-(-least // COARSEST_STRIDE), largest)
    if first == largest or not fits(first * COARSEST_STRIDE):
        return None
    last = largest  # does not fit
    while last - first > 1:
        middle = (first + last) // 2
        first, last = (middle, last) if fits(middle * COARSEST_STRIDE) else (first, middle)
    return first * COARSEST_STRIDE
