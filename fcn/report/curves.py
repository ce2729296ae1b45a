"""The curves of a training."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.pages.axes import Axes, Axis, short_number, ticks_around, ticks_up_to

_WIDTH, _HEIGHT = 400, 250
# More points than this cannot be distinguished on a plot 310 units wide.
_MOST_POINTS = 250
_MOST_DOTS = 40


class Curve(NamedTuple):
    """A quantity over the steps of a training.

    Attributes:
        steps: `float64[N]`, ascending.
        values: `float64[N]`, finite.
    """

    steps: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]

    def last(self, write: Callable[[float], str] = short_number) -> str:
        """Returns the last value as text, "0.5 at step 1,000" for example; empty for an empty curve."""
        return self._describe(-1, write) if len(self.steps) else ""

    def highest(self, write: Callable[[float], str] = short_number) -> str:
        """Returns the highest value as text, as `last` does."""
        return self._describe(int(self.values.argmax()), write) if len(self.steps) else ""

    def _describe(self, index: int, write: Callable[[float], str]) -> str:
        return f"{write(float(self.values[index]))} at step {self.steps[index]:,.0f}"

    def thinned(self) -> "Curve":
        """Returns means of neighboring points, few enough to be distinguished."""
        if len(self.steps) <= _MOST_POINTS:
            return self
        means = (
            np.array([part.mean() for part in np.array_split(axis, _MOST_POINTS)])
            for axis in (self.steps, self.values)
        )
        return Curve(*means)

    def smoothed(self) -> "Curve":
        """Returns a moving mean over a tenth of the points, fewer at the ends so that it stays centered."""
        last = len(self.values) - 1
        reaches = [min(last // 20 + 1, index, last - index) for index in range(last + 1)]
        means = [self.values[i - reach : i + reach + 1].mean() for i, reach in enumerate(reaches)]
        return Curve(self.steps, np.array(means, float))


def curve_of(rows: Iterable[Mapping[str, str]], column: str) -> Curve:
    """Returns one column of a log; without cells that are empty or not a finite number.

    Args:
        rows: As `fcn.runs.log.read_log` returns them.
        column: Name of the column, such as "loss".

    Returns:
        The values in the order of the steps; for a step that was repeated, the last one.

    Example:
        >>> curve_of([{"step": "10", "loss": "0.5"}, {"step": "20", "loss": ""}], "loss").last()
        '0.5 at step 10'
    """
    found: dict[int, float] = {}
    for row in rows:
        value = _number(row[column])
        if math.isfinite(value):
            found[int(row["step"])] = value
    steps = sorted(found)
    return Curve(np.array(steps, float), np.array([found[step] for step in steps], float))


class Line(NamedTuple):
    """A line of a chart.

    Attributes:
        kind: "line", or "pale" for one behind it.
        points: Where it goes, as SVG writes it.
    """

    kind: str
    points: str


class Dot(NamedTuple):
    """A value of a chart to point at.

    Attributes:
        x: Where it is on the picture.
        y: Where it is on the picture.
        text: The value.
    """

    x: float
    y: float
    text: str


class LineChart(NamedTuple):
    """A curve over the steps of a training.

    Attributes:
        title: What is shown.
        note: What to read from the curve; without a chart, the only value if there is one.
        axes: The axes; None where there are too few values for a chart.
        lines: The curve, and what is drawn over it.
        dots: The values, where they are few.
    """

    title: str
    note: str
    axes: Axes | None = None
    lines: list[Line] = []
    dots: list[Dot] = []


def line_chart(
    curve: Curve,
    title: str,
    unit: str,
    note: str,
    trend: Curve | None = None,
    write: Callable[[float], str] = short_number,
) -> LineChart:
    """Returns a chart of a curve over its steps, from 0 up.

    Args:
        curve: At least two points make a chart.
        title: What is shown.
        unit: What the vertical axis counts.
        note: What to read from the curve.
        trend: Drawn over the curve, which then is pale.
        write: Writes a value.
    """
    if len(curve.steps) < 2:
        return LineChart(title, curve.last(write))
    right, high = float(curve.steps[-1]), max(0.0, float(curve.values.max()))
    # The plot ends at the last step, and at the first tick above the highest value.
    ticks = ticks_around(0.0, high)
    x = Axis("step", ticks_up_to(right), 0.0, right or 1.0, "{:,.0f}".format)
    axes = Axes(x, Axis(unit, ticks, ticks[0], ticks[-1], write), _WIDTH, _HEIGHT)
    lines = [_line(curve.thinned(), axes, "pale" if trend else "line")]
    dots: list[Dot] = []
    if trend:
        lines.append(_line(trend.thinned(), axes, "line"))
    elif len(curve.steps) <= _MOST_DOTS:
        dots = [
            Dot(*axes.place(step, value), f"{write(value)} at step {step:,.0f}")
            for step, value in zip(*curve, strict=True)
        ]
    return LineChart(title, note, axes, lines, dots)


def _line(curve: Curve, axes: Axes, kind: str) -> Line:
    places = (axes.place(step, value) for step, value in zip(*curve, strict=True))
    return Line(kind, " ".join(f"{x:.1f},{y:.1f}" for x, y in places))


def _number(text: str) -> float:
    """Returns the number in a cell; NaN for text that is not a number, such as an empty cell."""
    try:
        return float(text)
    except ValueError:
        return math.nan
