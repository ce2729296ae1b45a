"""Cuts the input of a net into windows that overlap by its receptive field."""

from typing import NamedTuple

from fcn.models.fields import COARSEST_STRIDE


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
    size: tuple[int, int], max_pixels: int, halo: tuple[int, int], overlap: int = 0
) -> tuple[list[Span], list[Span]]:
    """Cuts an image into the windows of rows and columns that need the least work.

    Args:
        size: (height, width) of the layers' input.
        max_pixels: Most pixels in a window.
        halo: As for `cut`.
        overlap: As for `cut`.

    Raises:
        ValueError: If no window is that small.
    """
    step = COARSEST_STRIDE
    least, largest = smallest_window(halo, overlap), [-(-length // step) * step for length in size]
    best: tuple[int, list[Span], list[Span]] | None = None
    for height in range(min(least, largest[0]), largest[0] + 1, step):
        most = max_pixels // min(height, size[0])
        width = largest[1] if size[1] <= most else most // step * step
        if width < min(least, largest[1]):
            break
        rows, columns = cut(size[0], height, halo, overlap), cut(size[1], width, halo, overlap)
        work = sum(row.stop - row.start for row in rows) * sum(one.stop - one.start for one in columns)
        if best is None or work < best[0]:
            best = work, rows, columns
    if best is None:
        raise ValueError(f"Expected at least {least**2} pixels a window. Received: {max_pixels}.")
    return best[1:]
