"""The axes of charts: which numbers are written along them, and where a value lies on the picture."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

# Units of the picture around the plot: room for the numbers on the left, the titles above and below, and half
# of the last number on the right.
LEFT, RIGHT, TOP, BOTTOM = 64, 26, 34, 46
# Forgives 0.30000000000000004 / 0.1 for not being 3.
_ROUNDING = 1e-4


def short_number(value: float) -> str:
    """Returns three digits or more, in at most seven characters.

    Example:
        >>> short_number(0.002), short_number(0.00015), short_number(1234), short_number(1234567)
        ('0.002', '1.5e-4', '1,234', '1.23e6')
    """
    if value == 0 or 1e-3 <= abs(value) < 1e3:
        return f"{value:.3g}"
    if 1e3 <= abs(value) < 1e5:
        return f"{value:,.0f}"
    digits, _, exponent = f"{value:.2e}".partition("e")
    return f"{float(digits):g}e{int(exponent)}"


def tick_distance(high: float, smallest: float = 0) -> float:
    """Returns 1, 2 or 5 times a power of ten, so that at most 4 ticks come between 0 and `high`.

    Args:
        high: At least 0.
        smallest: What the distance is at least, for an axis that counts.

    Example:
        >>> tick_distance(0.8), tick_distance(100), tick_distance(3, smallest=1)
        (0.2, 50.0, 1)
    """
    rough = high / 4 or 0.25
    power = 10.0 ** math.floor(math.log10(rough))
    distances = (power * factor for factor in (1, 2, 5, 10))
    return max(smallest, next(distance for distance in distances if distance * (1 + _ROUNDING) >= rough))


def ticks_around(low: float, high: float) -> list[float]:
    """Returns round numbers at equal distances, from at most `low` to at least `high`: two or more.

    Example:
        >>> ticks_around(0, 0.7), ticks_around(51, 59)
        ([0.0, 0.2, 0.4, 0.6000000000000001, 0.8], [50.0, 52.0, 54.0, 56.0, 58.0, 60.0])
    """
    # Values that are nearly the same are shown as that.
    distance = tick_distance(max(high - low, abs(high) / 50))
    first = math.floor(low / distance + _ROUNDING)
    last = max(math.ceil(high / distance - _ROUNDING), first + 1)
    return [index * distance for index in range(first, last + 1)]


def ticks_up_to(high: float) -> list[float]:
    """Returns round whole numbers at equal distances, from 0 to at most `high`.

    Example:
        >>> ticks_up_to(1100)
        [0.0, 500.0, 1000.0]
    """
    distance = tick_distance(high, smallest=1)
    return [float(index * distance) for index in range(math.floor(high / distance + _ROUNDING) + 1)]


class Axis(NamedTuple):
    """One axis of a chart.

    Attributes:
        title: What it counts.
        ticks: Values with a number beside them, ascending.
        low: Value at its start.
        high: Value at its end.
        write: Writes a value.
    """

    title: str
    ticks: Sequence[float]
    low: float
    high: float
    write: Callable[[float], str] = short_number

    def share(self, value: float) -> float:
        """Returns how far along the axis a value lies, from 0 to 1."""
        return (value - self.low) / (self.high - self.low)


class Axes(NamedTuple):
    """Both axes of a chart and the size of its picture.

    Attributes:
        x: The horizontal one, from left to right.
        y: The vertical one, from bottom to top.
        width: Of the picture, in its own units.
        height: Of the picture.
    """

    x: Axis
    y: Axis
    width: int
    height: int

    @property
    def left(self) -> int:
        """Left edge of the plot."""
        return LEFT

    @property
    def right(self) -> int:
        """Right edge of the plot."""
        return self.width - RIGHT

    @property
    def top(self) -> int:
        """Top edge of the plot, from the upper edge of the picture."""
        return TOP

    @property
    def bottom(self) -> int:
        """Bottom edge of the plot, from the upper edge of the picture."""
        return self.height - BOTTOM

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Returns where a point lies on the picture, from its upper left corner."""
        across, up = self.x.share(x), self.y.share(y)
        return self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top)
