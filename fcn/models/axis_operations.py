"""Finds the elements of its input that a layer reads for each element of its output, along one axis.

A layer that slides a kernel is one of three steps. Each step knows where its outputs lie (`grid`), which
inputs reach one output (`taps`), and which range of inputs a range of outputs reads (`inputs`). Following
`inputs` backward, layer by layer, gives what an element of any map sees of the image, to the pixel. Where two
layers of odd strides meet, one element may see more than its neighbor.

Inputs are counted from the first of the map, as if the map went on without end: a place in front of the first
one is padding.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from fcn.models.geometry import Grid

# More elements than this in a row are not looked at to find the one that sees most; a net that makes images
# smaller by 7/20 has 640 that all lie differently.
_MOST_NEIGHBORS = 1024


class Span(NamedTuple):
    """A range of elements along one axis, both ends included.

    Attributes:
        first: The first element.
        last: The last one.
    """

    first: int
    last: int

    def joined(self, other: "Span") -> "Span":
        """Returns the shortest range that holds both.

        Example:
            >>> Span(0, 3).joined(Span(-2, 1))
            Span(first=-2, last=3)
        """
        return Span(min(self.first, other.first), max(self.last, other.last))

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


class Sliding(NamedTuple):
    """A convolution or a pooling; with a kernel of 1, padding (above 0) or a crop (below 0).

    Attributes:
        kernel_size: Taps of the kernel.
        strides: Inputs from one output to the next.
        padding: Elements added in front of the inputs.
        dilation_rate: Inputs from one tap to the next.
    """

    kernel_size: int = 1
    strides: int = 1
    padding: int = 0
    dilation_rate: int = 1

    def grid(self, grid: Grid) -> Grid:
        """Returns where the outputs lie, from where the inputs do."""
        return grid.convolved(*self)

    def inputs(self, outputs: Span) -> Span:
        """Returns the first and the last input that any of the outputs reads.

        Example:
            >>> Sliding(3, dilation_rate=4).inputs(Span(0, 0))
            Span(first=0, last=8)
        """
        reach = self.dilation_rate * (self.kernel_size - 1)
        return Span(
            outputs.first * self.strides - self.padding, outputs.last * self.strides - self.padding + reach
        )

    def taps(self, output: int) -> tuple[int, ...]:
        """Returns the inputs that reach one output.

        Example:
            >>> Sliding(3, dilation_rate=4).taps(0)
            (0, 4, 8)
        """
        start = output * self.strides - self.padding
        return tuple(start + tap * self.dilation_rate for tap in range(self.kernel_size))


class Transposing(NamedTuple):
    """A transposed convolution.

    Attributes:
        kernel_size: Taps of the kernel.
        strides: Outputs from one input to the next.
        padding: Outputs cut off in front.
        dilation_rate: Outputs from one tap to the next.
    """

    kernel_size: int
    strides: int = 1
    padding: int = 0
    dilation_rate: int = 1

    @property
    def reach(self) -> int:
        """Outputs from the first to the last tap."""
        return self.dilation_rate * (self.kernel_size - 1)

    def grid(self, grid: Grid) -> Grid:
        """Returns where the outputs lie, from where the inputs do."""
        return grid.transposed(self.reach + 1, self.strides, self.padding)

    def inputs(self, outputs: Span) -> Span:
        """Returns the first and the last input that any of the outputs reads.

        Example:
            >>> Transposing(4, 2, 1).inputs(Span(0, 0)), Transposing(4, 2, 1).inputs(Span(1, 1))
            (Span(first=-1, last=0), Span(first=0, last=1))
        """
        first = Fraction(outputs.first + self.padding - self.reach, self.strides)
        return Span(math.ceil(first), (outputs.last + self.padding) // self.strides)

    def taps(self, output: int) -> tuple[int, ...]:
        """Returns the inputs that reach one output.

        Example:
            >>> Transposing(3).taps(4)
            (2, 3, 4)
        """
        first, last = self.inputs(Span(output, output))
        place = output + self.padding
        return tuple(
            i for i in range(first, last + 1) if (place - i * self.strides) % self.dilation_rate == 0
        )


class Resizing(NamedTuple):
    """Linear interpolation between the centers of the inputs.

    Attributes:
        scale: Outputs for each input.
        averaged: Distance in inputs at which an input no longer reaches an output: 1, or with an
            antialiasing filter the distance between two outputs.
    """

    scale: Fraction
    averaged: Fraction = Fraction(1)

    def grid(self, grid: Grid) -> Grid:
        """Returns where the outputs lie, from where the inputs do."""
        return Grid(grid.stride / self.scale, grid.offset + self._center(0) * grid.stride)

    def inputs(self, outputs: Span) -> Span:
        """Returns the first and the last input that any of the outputs reads.

        Example:
            >>> Resizing(Fraction(2)).inputs(Span(0, 0)), Resizing(Fraction(1, 2)).inputs(Span(0, 0))
            (Span(first=-1, last=0), Span(first=0, last=1))
        """
        first = self._center(outputs.first) - self.averaged
        last = self._center(outputs.last) + self.averaged
        return Span(math.floor(first) + 1, math.ceil(last) - 1)

    def taps(self, output: int) -> tuple[int, ...]:
        """Returns the inputs that reach one output."""
        first, last = self.inputs(Span(output, output))
        return tuple(range(first, last + 1))

    def _center(self, output: int) -> Fraction:
        return (output + Fraction(1, 2)) / self.scale - Fraction(1, 2)


Step = Sliding | Transposing | Resizing


class Source(NamedTuple):
    """An earlier map that a map is computed from, and the step between the two.

    Attributes:
        before: Number of the earlier map.
        step: How the layer reads it.
    """

    before: int
    step: Step


Chart = Sequence[Sequence[Source] | None]
"""The sources of each map, numbered in an order in which every map follows its sources, along one axis.

The image is a map without sources; None marks a map behind a layer of an unknown kind.
"""


def seen_by(chart: Chart, index: int, element: int) -> Span | None:
    """Returns the first and the last pixel of the image that one element of a map sees.

    Args:
        chart: How the maps follow from the image.
        index: Number of the map.
        element: Number of the element; below 0, it lies in front of the map's first.

    Returns:
        The pixels, which may lie outside the image; None if it is not known.

    Example:
        >>> chart = [[], [Source(0, Sliding(3, padding=1))], [Source(1, Sliding(2, strides=2))]]
        >>> seen_by(chart, 2, 0)
        Span(first=-1, last=2)
    """
    wanted = {index: Span(element, element)}
    pixels: Span | None = None
    for number in range(index, -1, -1):
        span, sources = wanted.get(number), chart[number]
        if span is None:
            continue
        if sources is None:
            return None
        if not sources:
            pixels = span if pixels is None else pixels.joined(span)
        for source in sources:
            inputs = source.step.inputs(span)
            if inputs.first <= inputs.last:  # a transposed kernel smaller than its stride leaves gaps
                earlier = wanted.get(source.before, inputs)
                wanted[source.before] = earlier.joined(inputs)
    return pixels


def grids(chart: Chart) -> list[Grid | None]:
    """Returns where the elements of each map lie in the image; None where it is not known.

    Maps that are added up lie on each other, but for what crops leave over: the first one counts.

    Example:
        >>> grids([[], [Source(0, Sliding(2, strides=2))], None])[1:]
        [Grid(stride=Fraction(2, 1), offset=Fraction(1, 2)), None]
    """
    found: list[Grid | None] = []
    for sources in chart:
        if sources is None:
            found.append(None)
        elif not sources:
            found.append(Grid())
        else:
            before = [found[source.before] for source in sources]
            first = before[0]
            known = first is not None and None not in before
            found.append(sources[0].step.grid(first) if known and first is not None else None)
    return found


def seen_by_neighbors(chart: Chart, places: Sequence[Grid | None], index: int) -> list[Span | None]:
    """Returns what neighboring elements of a map see, for as many as may see differently much.

    Args:
        chart: How the maps follow from the image.
        places: Where their elements lie, as `grids` returns it.
        index: Number of the map.

    Returns:
        What elements 0, 1, 2, ... see, until all repeats itself; nothing if it is not known where they lie.

    Example:
        >>> chart = [[], [Source(0, Sliding(2, strides=2))], [Source(1, Transposing(3, 2, 1))]]
        >>> seen_by_neighbors(chart, grids(chart), 2)
        [Span(first=0, last=1), Span(first=0, last=3)]
    """
    grid = places[index]
    if grid is None:
        return []
    ratios = [other.stride / grid.stride for other in places[: index + 1] if other is not None]
    period = math.lcm(*(ratio.numerator for ratio in ratios))
    return [seen_by(chart, index, element) for element in range(min(period, _MOST_NEIGHBORS))]
