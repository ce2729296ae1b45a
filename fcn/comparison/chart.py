"""Scores against time, as inline SVG: a labeled dot for each net."""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from fcn.report.curves import short_number, tick_distance

_WIDTH, _HEIGHT = 480, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 26, 34, 46
_LINE = 17
"""Units from one label to the next, at least: a line of text."""
_LETTER = 7.6
"""Units a letter takes, about."""
_RADIUS = 5
_NEAR = 9
"""Units from the center of a dot to its name."""


class Dot(NamedTuple):
    """A net in the chart.

    Attributes:
        name: What stands beside it.
        x: Milliseconds an image.
        y: Mean IoU in percent.
    """

    name: str
    x: float
    y: float


def dot_chart(dots: Sequence[Dot], title: str, horizontal: str, vertical: str) -> str:
    """Returns an HTML figure of dots with their names, or a sentence where there is none.

    Args:
        dots: What to show; those with a NaN are left out.
        title: What is shown. HTML.
        horizontal: What the horizontal axis counts, from 0 up. HTML.
        vertical: What the vertical axis counts, around what there is. HTML.
    """
    known = [dot for dot in dots if math.isfinite(dot.x) and math.isfinite(dot.y)]
    if not known:
        return f'<figure class="chart"><h3>{title}</h3>\n<p class="soft">Nothing was timed.</p></figure>\n'
    x_ticks = _ticks(0.0, max(dot.x for dot in known))
    y_ticks = _ticks(min(dot.y for dot in known), max(dot.y for dot in known))
    places = [
        Dot(
            dot.name,
            _LEFT + dot.x / x_ticks[-1] * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT
            - _BOTTOM
            - (dot.y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (_HEIGHT - _TOP - _BOTTOM),
        )
        for dot in known
    ]
    marks = "".join(
        f'<circle cx="{place.x:.1f}" cy="{place.y:.1f}" r="{_RADIUS}"><title>{escape(dot.name)}: '
        f"{dot.y:.2f} at {short_number(dot.x)}</title></circle>\n"
        for dot, place in zip(known, places, strict=True)
    )
    listed = "; ".join(f"{escape(dot.name)} {dot.y:.2f} at {short_number(dot.x)}" for dot in known)
    return (
        f'<figure class="chart dots"><h3>{title}</h3>\n'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}: {listed}">\n'
        f"{_axes(x_ticks, y_ticks, horizontal, vertical)}{marks}{_labels(places)}</svg></figure>\n"
    )


def _ticks(low: float, high: float) -> list[float]:
    """Returns round numbers at equal distances from below the lowest to above the highest."""
    distance = tick_distance(max(high - low, abs(high) / 50), smallest=0)
    first = math.floor(low / distance)
    return [index * distance for index in range(first, max(math.ceil(high / distance), first + 1) + 1)]


def _axes(x_ticks: list[float], y_ticks: list[float], horizontal: str, vertical: str) -> str:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    across, up = (right - _LEFT) / (len(x_ticks) - 1), (bottom - _TOP) / (len(y_ticks) - 1)
    rows = "".join(
        f'<path class="grid" d="M{_LEFT} {bottom - index * up:.1f}H{right}"/>'
        f'<text x="{_LEFT - 8}" y="{bottom - index * up + 5:.1f}" text-anchor="end">'
        f"{short_number(tick)}</text>\n"
        for index, tick in enumerate(y_ticks)
    )
    columns = "".join(
        f'<path class="axis" d="M{_LEFT + index * across:.1f} {bottom}v5"/>'
        f'<text x="{_LEFT + index * across:.1f}" y="{bottom + 20}" text-anchor="middle">'
        f"{short_number(tick)}</text>\n"
        for index, tick in enumerate(x_ticks)
    )
    return (
        f'{rows}{columns}<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>\n'
        f'<text class="unit" x="{_LEFT}" y="18">{vertical}</text>'
        f'<text class="unit" x="{right}" y="{_HEIGHT - 6}" text-anchor="end">{horizontal}</text>\n'
    )


def _labels(places: Sequence[Dot]) -> str:
    """Writes each name beside its dot, where it covers no other name and no dot."""
    taken = [_Box(place.x - _RADIUS, place.y - _RADIUS, 2 * _RADIUS, 2 * _RADIUS) for place in places]
    text = ""
    for place in sorted(places, key=lambda place: place.y):
        choices = list(_around(place))
        box = next((one for one in choices if one.is_free(taken)), choices[0])
        taken.append(box)
        # Letters stand on their line, a quarter of the box from its lower edge.
        x, y = box.left + box.width / 2, box.top + 0.75 * _LINE
        text += f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(place.name)}</text>\n'
    return text


class _Box(NamedTuple):
    left: float
    top: float
    width: float
    height: float

    def is_free(self, others: Sequence["_Box"]) -> bool:
        """Returns whether it lies in the chart and covers none of the others."""
        right, bottom = self.left + self.width, self.top + self.height
        inside = self.left >= _LEFT and right <= _WIDTH and self.top >= _TOP - _LINE and bottom <= _HEIGHT
        return inside and not any(
            self.left < one.left + one.width
            and one.left < right
            and self.top < one.top + one.height
            and one.top < bottom
            for one in others
        )


def _around(place: Dot) -> Iterator[_Box]:
    """Yields where a name may stand: beside its dot, above or below, then ever higher and lower."""
    width = _LETTER * len(place.name)
    beside = place.x + _NEAR, place.x - _NEAR - width, place.x - width / 2
    for lines in range(_HEIGHT // _LINE):
        for shift in dict.fromkeys((lines, -lines)):
            for left in beside[: 2 if lines == 0 else 3]:
                yield _Box(left, place.y - _LINE / 2 + shift * _LINE, width, _LINE)
