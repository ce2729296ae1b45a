"""Scores against time: a labeled dot for each net."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fcn.pages.axes import LEFT, TOP, Axes, Axis, short_number, ticks_around
from fcn.pages.percent import percent

_WIDTH, _HEIGHT = 480, 300
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
        name: Text beside it.
        x: Milliseconds per image.
        y: Mean IoU in percent.
    """

    name: str
    x: float
    y: float


class Mark(NamedTuple):
    """Something that is drawn.

    Attributes:
        x: Where its middle is on the picture.
        y: Where its middle is on the picture, or the line that its letters are on.
        text: What is written there, or shown where one points at it.
    """

    x: float
    y: float
    text: str


class DotChart(NamedTuple):
    """Dots with their names.

    Attributes:
        title: What is shown.
        axes: The axes; None where there is no dot.
        dots: The dots.
        labels: Their names.
        radius: Of a dot.
    """

    title: str
    axes: Axes | None = None
    dots: Sequence[Mark] = ()
    labels: Sequence[Mark] = ()
    radius: int = _RADIUS


def dot_chart(dots: Sequence[Dot], title: str, horizontal: str, vertical: str) -> DotChart:
    """Returns a chart of dots with their names.

    Args:
        dots: What to show; those with a NaN are left out.
        title: What is shown.
        horizontal: What the horizontal axis counts, from 0 up.
        vertical: What the vertical axis counts, around what there is.
    """
    known = [dot for dot in dots if math.isfinite(dot.x) and math.isfinite(dot.y)]
    if not known:
        return DotChart(title)
    x_ticks = ticks_around(0.0, max(dot.x for dot in known))
    y_ticks = ticks_around(min(dot.y for dot in known), max(dot.y for dot in known))
    axes = Axes(
        Axis(horizontal, x_ticks, x_ticks[0], x_ticks[-1]),
        Axis(vertical, y_ticks, y_ticks[0], y_ticks[-1], _write_percent),
        _WIDTH,
        _HEIGHT,
    )
    places = [Mark(*axes.place(dot.x, dot.y), dot.name) for dot in known]
    marks = [
        place._replace(text=f"{dot.name}: {percent(dot.y / 100)} at {short_number(dot.x)} ms")
        for dot, place in zip(known, places, strict=True)
    ]
    return DotChart(title, axes, marks, _labels(places))


def _write_percent(value: float) -> str:
    return f"{short_number(value)}%"


def _labels(places: Sequence[Mark]) -> list[Mark]:
    """Returns where to write each name beside its dot, so that it covers no other name and no dot."""
    taken = [_Box(place.x - _RADIUS, place.y - _RADIUS, 2 * _RADIUS, 2 * _RADIUS) for place in places]
    labels = []
    for place in sorted(places, key=lambda place: place.y):
        choices = list(_around(place))
        box = next((one for one in choices if one.is_free(taken)), choices[0])
        taken.append(box)
        # Letters are on their line, a quarter of the box from its lower edge.
        labels.append(Mark(box.left + box.width / 2, box.top + 0.75 * _LINE, place.text))
    return labels


class _Box(NamedTuple):
    left: float
    top: float
    width: float
    height: float

    def is_free(self, others: Sequence["_Box"]) -> bool:
        """Returns whether it is inside the chart and covers none of the others."""
        right, bottom = self.left + self.width, self.top + self.height
        inside = self.left >= LEFT and right <= _WIDTH and self.top >= TOP - _LINE and bottom <= _HEIGHT
        return inside and not any(
            self.left < one.left + one.width
            and one.left < right
            and self.top < one.top + one.height
            and one.top < bottom
            for one in others
        )


def _around(place: Mark) -> Iterator[_Box]:
    """Yields places for a name: beside its dot, above or below, then ever higher and lower."""
    width = _LETTER * len(place.text)
    beside = place.x + _NEAR, place.x - _NEAR - width, place.x - width / 2
    for lines in range(_HEIGHT // _LINE):
        for shift in dict.fromkeys((lines, -lines)):
            for left in beside[: 2 if lines == 0 else 3]:
                yield _Box(left, place.y - _LINE / 2 + shift * _LINE, width, _LINE)
