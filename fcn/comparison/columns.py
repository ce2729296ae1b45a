"""The columns of a comparison's table: the same words and numbers on a terminal and on a page."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fcn.comparison.grid import value_text
from fcn.comparison.halving import Rung
from fcn.comparison.result import NetResult
from fcn.comparison.timing import Timing
from fcn.pages.percent import percent

UNKNOWN = "-"
"""Shown for what is unknown or was not measured."""


class Column(NamedTuple):
    """One column: a number for each net.

    Attributes:
        title: Heading on a page.
        heading: Heading on a terminal, in words of at most seven letters.
        value: Reads the number; NaN where it is unknown.
        write: Writes the number.
        best: `max` or `min`, whichever is better; None where more is neither better nor worse.
        versus: Compares the number with the first net's, in a few characters; None for no comparison.
    """

    title: str
    heading: str
    value: Callable[[NetResult], float]
    write: Callable[[float], str]
    best: Callable[[Sequence[float]], float] | None = None
    versus: Callable[[float, float], str] | None = None

    def text(self, net: NetResult) -> str:
        """Returns the number of a net as text."""
        value = self.value(net)
        return UNKNOWN if math.isnan(value) else self.write(value)

    def compared(self, net: NetResult, first: NetResult) -> str:
        """Returns how a net's number compares with that of the first; empty where one is unknown."""
        value, other = self.value(net), self.value(first)
        if self.versus is None or math.isnan(value) or math.isnan(other):
            return ""
        return self.versus(value, other)

    def is_best(self, net: NetResult, nets: Sequence[NetResult]) -> bool:
        """Returns whether no other net is better, and one is worse."""
        known = [value for value in map(self.value, nets) if not math.isnan(value)]
        if self.best is None or len(set(known)) < 2:
            return False
        return self.value(net) == self.best(known)


def _field(net: NetResult) -> float:
    return math.nan if net.size.receptive_field is None else max(net.size.receptive_field)


def _milliseconds(timing: Timing | None) -> float:
    return math.nan if timing is None else 1000 * timing.median


def _megabytes(timing: Timing | None) -> float:
    return math.nan if timing is None else timing.added_bytes / 1e6


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _boundary(net: NetResult) -> float:
    boundary = net.evaluation.boundary
    return math.nan if boundary is None else boundary.mean_boundary_iou


def short(value: float) -> str:
    """Returns a number of at least three digits.

    Example:
        >>> short(0.01234), short(12.345), short(1234.5)
        ('0.0123', '12.3', '1,234')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".removesuffix(".")


def _count(value: float) -> str:
    """Returns a count, in millions where it is large."""
    return f"{value / 1e6:.4g} M" if value >= 1e6 else f"{value:,.0f}"


def _points(value: float, first: float) -> str:
    return f"{100 * (value - first):+.2f}"


def _times(value: float, first: float) -> str:
    return f"{value / first:.2f}x" if first else ""


COLUMNS = (
    Column("mean IoU", "mean IoU", lambda net: net.evaluation.scores.mean_iou, percent, max, _points),
    Column("boundary IoU", "bound. IoU", _boundary, percent, max, _points),
    Column(
        "pixel accuracy",
        "pixel acc.",
        lambda net: net.evaluation.scores.pixel_accuracy,
        percent,
        max,
        _points,
    ),
    Column("parameters", "params", lambda net: net.size.parameters, _count, min, _times),
    Column("GFLOP", "GFLOP", lambda net: net.size.gflop, short, min, _times),
    Column("receptive field", "field", _field, "{:.0f}".format),
    Column("ms per image", "ms per image", lambda net: _milliseconds(net.labeling), short, min, _times),
    Column(
        "MB per image", "MB per image", lambda net: _megabytes(net.labeling), "{:,.0f}".format, min, _times
    ),
    Column("ms per step", "ms per step", lambda net: _milliseconds(net.training_step), short, min, _times),
    Column(
        "MB per step",
        "MB per step",
        lambda net: _megabytes(net.training_step),
        "{:,.0f}".format,
        min,
        _times,
    ),
    Column("train steps", "train steps", lambda net: _or_nan(net.steps), "{:,.0f}".format),
    Column("train minutes", "train min", lambda net: _or_nan(net.training_seconds) / 60, "{:.1f}".format),
)
"""The columns in the order of the table."""


def varied_text(net: NetResult, key: str) -> str:
    """Returns a net's value of a key that varies; `UNKNOWN` for a net that is loaded."""
    varied = net.candidate.varied
    return value_text(varied[key]) if key in varied else UNKNOWN


def rung_texts(rungs: Sequence[Rung], name: str) -> list[str]:
    """Returns a net's score in each rung of a halving as text; `UNKNOWN` where it took no part."""
    scores = [rung.scores.get(name, math.nan) for rung in rungs]
    return [UNKNOWN if math.isnan(score) else percent(score) for score in scores]


def memory_note(nets: Sequence[NetResult]) -> str:
    """Returns a note on MB in the table: what a process takes without a net is left out."""
    timings = [timing for net in nets for timing in (net.labeling, net.training_step) if timing is not None]
    idle = max((timing.idle_bytes for timing in timings), default=0) / 1e6
    return f"MB: peak memory of the process, beyond the {idle:,.0f} MB of Python and the backend alone."
