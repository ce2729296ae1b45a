"""Training curves as inline SVG."""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_WIDTH, _HEIGHT = 400, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 26, 32, 44
# More points than this would not be told apart on a plot 310 units wide.
_MOST_POINTS = 250
_MOST_DOTS = 40
# Forgives 0.30000000000000004 / 0.1 for not being 3.
_ROUNDING = 1.0001


class Curve(NamedTuple):
    """A quantity over the steps of a training.

    Attributes:
        steps: `float64[N]`, ascending.
        values: `float64[N]`, finite.
    """

    steps: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]

    def last(self) -> str:
        """Says what the last value is, "0.5 at step 1,000" for example; nothing of an empty curve."""
        return self._say(-1) if len(self.steps) else ""

    def highest(self) -> str:
        """Says what the highest value is, as `last` does."""
        return self._say(int(self.values.argmax())) if len(self.steps) else ""

    def _say(self, index: int) -> str:
        return f"{short_number(self.values[index])} at step {self.steps[index]:,.0f}"

    def thinned(self) -> "Curve":
        """Returns means of neighboring points, few enough to be told apart."""
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
    """Returns one column of a log; cells that are empty or no finite number are left out.

    Args:
        rows: As `fcn.runs.log.read_log` returns them.
        column: Name of the column, such as "loss".

    Returns:
        The values in the order of the steps; of a step that was done again, the last one.

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


def line_chart(curve: Curve, title: str, unit: str, note: str, trend: Curve | None = None) -> str:
    """Returns an HTML figure with the curve over its steps, from 0 up.

    Args:
        curve: At least two points make a curve; fewer are said in words.
        title: What is shown. HTML.
        unit: What the vertical axis counts. HTML.
        note: What to read from the curve. HTML.
        trend: Drawn over the curve, which then is pale.
    """
    heading = f'<figure class="chart"><h3>{title}</h3>\n'
    if len(curve.steps) < 2:
        single = f" The only value: {curve.last()}." if len(curve.steps) else ""
        return f'{heading}<p class="soft">Not enough steps for a curve.{single}</p></figure>\n'
    right, high = float(curve.steps[-1]), max(0.0, float(curve.values.max()))
    x_distance, y_distance = tick_distance(right, smallest=1), tick_distance(high, smallest=0)
    # The plot ends at the last step, and at the first tick above the highest value.
    x_ticks = [index * x_distance for index in range(math.floor(right / x_distance * _ROUNDING) + 1)]
    y_ticks = [index * y_distance for index in range(max(1, math.ceil(high / y_distance / _ROUNDING)) + 1)]
    scale = _Scale(right or 1.0, y_ticks[-1])
    lines = [_polyline(curve.thinned(), scale, "pale" if trend else "line")]
    if trend:
        lines.append(_polyline(trend.thinned(), scale, "line"))
    elif len(curve.steps) <= _MOST_DOTS:
        lines += [_dot(step, value, scale) for step, value in zip(*curve, strict=True)]
    return (
        f'{heading}<p class="soft">{note}</p>\n'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title} over the steps; {note}">\n'
        f"{_axes(x_ticks, y_ticks, scale, unit)}{''.join(lines)}</svg></figure>\n"
    )


class _Scale(NamedTuple):
    """From steps and values to the units of the picture.

    Attributes:
        right: The step at the right edge of the plot.
        top: The value at its top.
    """

    right: float
    top: float

    def x(self, step: float) -> float:
        return _LEFT + step / self.right * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - value / self.top * (_HEIGHT - _TOP - _BOTTOM)


def _number(text: str) -> float:
    """Returns NaN for whatever is no number, such as an empty cell."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def short_number(value: float) -> str:
    """Returns three digits, in at most seven characters: "0.002", "1.5e-4"."""
    if value == 0 or 1e-3 <= abs(value) < 1e3:
        return f"{value:.3g}"
    digits, _, exponent = f"{value:.2e}".partition("e")
    return f"{float(digits):g}e{int(exponent)}"


def tick_distance(high: float, smallest: float) -> float:
    """Returns 1, 2 or 5 times a power of ten, so that at most 4 ticks come between 0 and `high`.

    Args:
        high: The largest number to show.
        smallest: The smallest distance of two ticks.
    """
    rough = high / 4 or 0.25
    power = 10.0 ** math.floor(math.log10(rough))
    distances = (power * factor for factor in (1, 2, 5, 10))
    return max(smallest, next(distance for distance in distances if distance * _ROUNDING >= rough))


def _polyline(curve: Curve, scale: _Scale, kind: str) -> str:
    points = " ".join(f"{scale.x(step):.1f},{scale.y(value):.1f}" for step, value in zip(*curve, strict=True))
    return f'<polyline class="{kind}" points="{points}"/>\n'


def _dot(step: float, value: float, scale: _Scale) -> str:
    return (
        f'<circle cx="{scale.x(step):.1f}" cy="{scale.y(value):.1f}" r="3">'
        f"<title>{short_number(value)} at step {step:,.0f}</title></circle>\n"
    )


def _axes(x_ticks: list[float], y_ticks: list[float], scale: _Scale, unit: str) -> str:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    rows = (
        f'<path class="grid" d="M{_LEFT} {scale.y(tick):.1f}H{right}"/>'
        f'<text x="{_LEFT - 8}" y="{scale.y(tick) + 5:.1f}" text-anchor="end">{short_number(tick)}</text>\n'
        for tick in y_ticks
    )
    columns = (
        f'<path class="axis" d="M{scale.x(tick):.1f} {bottom}v5"/>'
        f'<text x="{scale.x(tick):.1f}" y="{bottom + 20}" text-anchor="middle">{tick:,.0f}</text>\n'
        for tick in x_ticks
    )
    return (
        f"{''.join(rows)}{''.join(columns)}"
        f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>\n'
        f'<text class="unit" x="{_LEFT}" y="16">{unit}</text>'
        f'<text class="unit" x="{(_LEFT + right) / 2}" y="{_HEIGHT - 5}" text-anchor="middle">step</text>\n'
    )
