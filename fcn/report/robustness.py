"""The scores of a net on corrupted images as a picture."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fcn.pages.axes import Axes, Axis, short_number, ticks_around
from fcn.pages.percent import percent
from fcn.pages.render import light_colors, render
from fcn.report.curves import Dot
from fcn.system.results import write_result
from fcn.system.text import printable

if TYPE_CHECKING:  # it imports a backend
    from fcn.evaluation.robustness import Robustness

PICTURE = Path("robustness.svg")
"""Name of the file."""

_WIDTH, _HEIGHT = 320, 210
_HEAD = 74
"""Units above the charts: the title and a line below it."""
_COLUMNS = 4
"""The mean and three kinds of noise are a row; so are four kinds of blur, four of weather, and the rest."""
_NOTE = (
    "Mean IoU by strength of the corruption; 0, and the dashed line: the images as they are. Average over "
    "all strengths: "
)


class _Panel(NamedTuple):
    """The chart of one corruption.

    Attributes:
        left: Where it is on the picture.
        top: Where it is on the picture.
        axes: Its axes.
        points: The line, as SVG writes it.
        dots: The scores.
        whole: Height of the score of the images as they are; None if they have none.
    """

    left: int
    top: int
    axes: Axes
    points: str
    dots: Sequence[Dot]
    whole: float | None


def write_robustness(path: Path, robustness: "Robustness", mean_iou: float, title: str) -> None:
    """Draws a chart for each corruption, and one for their mean, as SVG.

    Args:
        path: Where to; a file there is replaced.
        robustness: The scores on corrupted images.
        mean_iou: The score on the images as they are; NaN where there is none.
        title: What was scored.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    scores = robustness.mean_iou
    means = tuple(sum(column) / len(column) for column in zip(*scores.values(), strict=True))
    lines = {"mean of all": means, **{name.replace("_", " "): found for name, found in scores.items()}}
    known = [value for line in lines.values() for value in (*line, mean_iou) if math.isfinite(value)]
    ticks = ticks_around(0.0, max(known, default=1.0))
    panels = [
        _panel(number, name, (mean_iou, *line), ticks) for number, (name, line) in enumerate(lines.items())
    ]
    picture = render(
        "robustness.svg",
        width=_COLUMNS * _WIDTH,
        height=_HEAD + math.ceil(len(panels) / _COLUMNS) * _HEIGHT,
        title=printable(title),
        note=_NOTE + percent(robustness.average),
        panels=panels,
        colors=light_colors(),
    )
    write_result(path, picture)


def _panel(number: int, name: str, values: Sequence[float], ticks: Sequence[float]) -> _Panel:
    """Returns a chart.

    Args:
        number: Which one of the picture.
        name: The corruption.
        values: Mean IoU by strength, from 0.
        ticks: Along the vertical axis, which is the same for all.
    """
    x = Axis("strength", range(len(values)), 0, len(values) - 1)
    axes = Axes(x, Axis(name, ticks, ticks[0], ticks[-1], _write_percent), _WIDTH, _HEIGHT)
    dots = [
        Dot(*axes.place(strength, value), f"{name}, strength {strength}: {percent(value)}")
        for strength, value in enumerate(values)
        if math.isfinite(value)
    ]
    whole = axes.place(0, values[0])[1] if math.isfinite(values[0]) else None
    points = " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in dots)
    row, column = divmod(number, _COLUMNS)
    return _Panel(column * _WIDTH, _HEAD + row * _HEIGHT, axes, points, dots, whole)


def _write_percent(share: float) -> str:
    return f"{short_number(100 * share)}%"
