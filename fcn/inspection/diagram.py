"""Small diagrams of the inputs that reach one output of a transposed or a dilated layer."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fcn.inspection.facts import Inspection
from fcn.models.axis_operations import Resizing, Sliding, Step, Transposing

_INPUT, _GAP = "●", "·"
_DILATED = (
    "Dilated: the kernel skips inputs between its weights, so it covers more of the map with the same number "
    "of weights. The outputs are as dense as the inputs: with padding, the map keeps its size."
)
_TRANSPOSED = (
    "Transposed: the inputs are spread apart by the strides, with zeros between and around them, and the "
    "kernel slides over all of that, so the map grows. Neighboring outputs may use different weights."
)
_WIDTH, _LARGEST_CELL = 200, 22
# Of 64 x 64 cells, one that is filled would not be seen.
_SMALLEST_SQUARE = 5


class Diagram(NamedTuple):
    """The window of one output over its inputs, and the places in it that reach that output.

    Attributes:
        layers: Names of the layers that are alike.
        title: What the layers do.
        note: How many inputs reach an output.
        patterns: For each axis and each place of the window, whether an input there reaches the output.
    """

    layers: tuple[str, ...]
    title: str
    note: str
    patterns: tuple[tuple[bool, ...], ...]

    def line(self) -> str:
        """Returns the pattern along the first axis in one line."""
        return "".join(_INPUT if reached else _GAP for reached in self.patterns[0])


class DiagramFigure(NamedTuple):
    """A diagram as squares in SVG.

    Attributes:
        title: What the layers do.
        layers: Names of the layers that are alike.
        note: How many inputs reach an output.
        width: Of the picture, in its own units.
        height: Of the picture.
        filled: SVG path of the squares that hold an input that reaches the output.
        empty: SVG path of all other squares.
    """

    title: str
    layers: tuple[str, ...]
    note: str
    width: float
    height: float
    filled: str
    empty: str


def pattern(step: Sliding | Transposing, output: int = 0) -> tuple[bool, ...]:
    """Returns the places in the window of one output that hold an input that reaches it.

    A dilated kernel skips inputs between its taps. A transposed convolution slides over inputs that are
    `strides` places apart, with zeros between them.

    Args:
        step: The operation of the layer.
        output: Index of the output.

    Example:
        >>> pattern(Sliding(2, dilation_rate=3)), pattern(Transposing(4, 2), output=3)
        ((True, False, False, True), (True, False, True, False))
    """
    reach = step.dilation_rate * (step.kernel_size - 1)
    if isinstance(step, Sliding):
        start, places = output * step.strides - step.padding, set(step.taps(output))
    else:
        start = output + step.padding - reach
        places = {tap * step.strides for tap in step.taps(output)}
    return tuple(start + place in places for place in range(reach + 1))


def diagrams(inspection: Inspection) -> list[Diagram]:
    """Returns the diagrams of a net: one for all layers that are alike, in the order of the first of them."""
    alike: dict[tuple[Sliding | Transposing, ...], list[str]] = {}
    for layer in inspection.layers:
        if layer.steps and any(map(_is_drawn, layer.steps)):
            # Padding moves the window, but changes nothing in it.
            key = tuple(step._replace(padding=0) for step in layer.steps if not isinstance(step, Resizing))
            alike.setdefault(key, []).append(layer.name)
    return [_diagram(steps, names) for steps, names in alike.items()]


def explanations(inspection: Inspection) -> list[str]:
    """Returns explanations of the gaps in the diagrams, one for each kind of layer in the net."""
    steps = {step for layer in inspection.layers for step in layer.steps or () if _is_drawn(step)}
    return [
        text
        for kind, text in ((Sliding, _DILATED), (Transposing, _TRANSPOSED))
        if any(isinstance(step, kind) for step in steps)
    ]


def _is_drawn(step: Step) -> bool:
    """Returns whether a diagram is of use: whether a place in the window holds no input."""
    return isinstance(step, Transposing) or (isinstance(step, Sliding) and step.dilation_rate > 1)


def _diagram(drawn: Sequence[Sliding | Transposing], names: Sequence[str]) -> Diagram:
    kernel = "x".join(str(step.kernel_size) for step in drawn)
    dilation = "x".join(str(rate) for rate in _distinct(step.dilation_rate for step in drawn))
    strides = "x".join(str(number) for number in _distinct(step.strides for step in drawn))
    if isinstance(drawn[0], Sliding):
        patterns = tuple(pattern(step) for step in drawn)
        places = math.prod(map(len, patterns))
        title = f"{kernel}, dilated by {dilation}"
        note = f"{math.prod(map(sum, patterns))} of {places} inputs reach an output"
        return Diagram(tuple(names), title, note, patterns)
    # The output that most inputs reach; the windows of its neighbors are shifted over the zeros.
    phases = [[pattern(step, output) for output in range(step.strides)] for step in drawn]
    patterns = tuple(max(windows, key=sum) for windows in phases)
    most, fewest = (math.prod(choose(map(sum, windows)) for windows in phases) for choose in (max, min))
    count = f"{most}" if most == fewest else f"{fewest} to {most}"
    spread = f", spread {strides} apart," if strides != "1" else ""
    note = f"{count} {'input' if count == '1' else 'inputs'}{spread} reach an output"
    return Diagram(tuple(names), f"{kernel} transposed, strides {strides}", note, patterns)


def _distinct(numbers: Iterable[int]) -> list[int]:
    """Returns one number where all are the same, else all."""
    found = list(numbers)
    return found[:1] if len(set(found)) == 1 else found


def diagram_figure(diagram: Diagram) -> DiagramFigure:
    """Returns a diagram as a page draws it."""
    rows, columns = diagram.patterns if len(diagram.patterns) == 2 else ((True,), diagram.patterns[0])
    cell = min(_LARGEST_CELL, _WIDTH / max(len(rows), len(columns)))
    # One path for each kind of square keeps the page small.
    paths = {True: "", False: ""}
    for y, down in enumerate(rows):
        for x, across in enumerate(columns):
            reached = down and across
            side = max(0.84 * cell, _SMALLEST_SQUARE) if reached else 0.84 * cell
            left, top = (place * cell + (cell - side) / 2 for place in (x, y))
            paths[reached] += f"M{left:.1f} {top:.1f}h{side:.1f}v{side:.1f}h{-side:.1f}z"
    width, height = cell * len(columns), cell * len(rows)
    return DiagramFigure(
        diagram.title, diagram.layers, diagram.note, width, height, paths[True], paths[False]
    )
