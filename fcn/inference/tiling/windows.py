"""Cutting what a net sees into windows that overlap by the field of an output pixel."""

from typing import NamedTuple

from fcn.models.fields import COARSEST_STRIDE


class Span(NamedTuple):
    """A window along one axis of what the layers see.

    Attributes:
        start: First pixel the net is given; a multiple of its coarsest stride.
        stop: The pixel behind the last one it is given.
        first: First pixel whose logits are those of the whole image.
        last: The pixel behind the last such one.
    """

    start: int
    stop: int
    first: int
    last: int


def cut(length: int, window: int, halo: tuple[int, int], overlap: int = 0) -> list[Span]:
    """Cuts an axis into windows whose kept parts cover it.

    Every window but the last has the same size, and all begin at multiples of the coarsest stride: maps of
    the window are then parts of the maps of the whole, the rounding up of odd sizes at the end included.

    Args:
        length: Pixels in all.
        window: Pixels the net may be given at once, a multiple of `COARSEST_STRIDE`.
        halo: Pixels in front of its own and behind it that an output pixel sees.
        overlap: Pixels that neighboring kept parts share, at least.

    Raises:
        ValueError: If the windows are too small to get on.

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
    # The last one goes as far back as it may: as large as the others, it needs no kernels of its own.
    start = -(-(length - window) // COARSEST_STRIDE) * COARSEST_STRIDE
    return [*spans, Span(start, length, first, length)]


def smallest_window(halo: tuple[int, int], overlap: int = 0) -> int:
    """Returns the smallest size of windows that get on by at least the coarsest stride."""
    return -(-(sum(halo) + overlap) // COARSEST_STRIDE) * COARSEST_STRIDE + COARSEST_STRIDE


def choose_windows(
    size: tuple[int, int], max_pixels: int, halo: tuple[int, int], overlap: int = 0
) -> tuple[list[Span], list[Span]]:
    """Cuts an image into windows of rows and columns that take the least work.

    Args:
        size: (height, width) of what the layers see.
        max_pixels: Pixels a window may have.
        halo: As for `cut`.
        overlap: As for `cut`.

    Raises:
        ValueError: If there are no windows as small as that.
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
