"""Small diagrams of the inputs that reach one output of a transposed or a dilated layer."""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from fcn.inspection.facts import Inspection
from fcn.models.axis_operations import Resizing, Sliding, Step, Transposing

_INPUT, _GAP = "●", "·"
_DILATED = (
    "Dilated: the kernel leaves inputs out between its taps, so it sees farther with no more weights. "
    "Outputs lie as close as inputs: padded, the map keeps its size."
)
_TRANSPOSED = (
    "Transposed: the inputs lie as far apart as the strides say, zeros between and around them, and the "
    "kernel slides over all of it, so the map grows. Outputs side by side may meet different taps."
)
_WIDTH, _LARGEST_CELL = 200, 22


class Diagram(NamedTuple):
    """The window of one output over its inputs, with the inputs that reach the output.

    Attributes:
        layers: Names of the layers that are alike.
        title: Kernel, dilation or strides of the layers.
        note: A note on how many inputs reach an output.
        patterns: For each axis and each place of the window, whether an input there reaches the output.
    """

    layers: tuple[str, ...]
    title: str
    note: str
    patterns: tuple[tuple[bool, ...], ...]

    def line(self) -> str:
        """Returns the pattern along the first axis in one line."""
        return "".join(_INPUT if reached else _GAP for reached in self.patterns[0])


def pattern(step: Sliding | Transposing, output: int = 0) -> tuple[bool, ...]:
    """Returns which places of the window of one output hold an input that reaches it.

    A dilated kernel leaves inputs out between its taps. A transposed convolution slides over inputs that lie
    `strides` places apart, with zeros between them.

    Args:
        step: The step of the layer along one axis.
        output: Number of the output.

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
    """Returns explanations of the gaps in the diagrams of a net, one for each kind of layer in it."""
    steps = {step for layer in inspection.layers for step in layer.steps or () if _is_drawn(step)}
    return [
        text
        for kind, text in ((Sliding, _DILATED), (Transposing, _TRANSPOSED))
        if any(isinstance(step, kind) for step in steps)
    ]


def _is_drawn(step: Step) -> bool:
    """Returns whether there is something to draw: a place in the window that holds no input."""
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
    # The output that most inputs reach; the windows of its neighbors lie differently over the zeros.
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


def diagram_figure(diagram: Diagram) -> str:
    """Returns an HTML figure: filled squares are inputs that reach the output, empty ones do not."""
    rows, columns = diagram.patterns if len(diagram.patterns) == 2 else ((True,), diagram.patterns[0])
    cell = min(_LARGEST_CELL, _WIDTH / max(len(rows), len(columns)))
    width, height = cell * len(columns), cell * len(rows)
    # One path for each kind of square keeps the page small.
    paths = {True: "", False: ""}
    for y, down in enumerate(rows):
        for x, across in enumerate(columns):
            inner = cell * 0.84
            paths[down and across] += f"M{x * cell:.1f} {y * cell:.1f}h{inner:.1f}v{inner:.1f}h{-inner:.1f}z"
    label = escape(f"{diagram.title}: {diagram.note}")
    return (
        f'<figure class="chart"><h3>{escape(diagram.title)}</h3>\n'
        f'<p class="soft">{escape(", ".join(diagram.layers))}</p>\n'
        f'<svg class="taps" viewBox="0 0 {width:.1f} {height:.1f}" style="width:{width:.0f}px" role="img" '
        f'aria-label="{label}"><path class="left" d="{paths[False]}"/>'
        f'<path class="tap" d="{paths[True]}"/></svg>\n<p class="soft">{escape(diagram.note)}</p></figure>\n'
    )
