import numpy as np
import pytest

from fcn.pages.axes import Axes, Axis, short_number, tick_distance, ticks_around, ticks_up_to

RANGES = [(0.0, 0.0), (0.0, 1e-7), (0.0, 0.30000000000000004), (42.0, 42.0), (99.5, 100.0), (0.0, 16_777.2)]


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_ticks_are_round_and_hold_what_there_is(low: float, high: float) -> None:
    ticks = ticks_around(low, high)
    assert 2 <= len(ticks) <= 7
    assert ticks[0] <= low * (1 + 1e-9)
    assert ticks[-1] >= high * (1 - 1e-9)
    (distance,) = set(np.round(np.diff(ticks) / tick_distance(max(high - low, abs(high) / 50)), 6))
    assert distance == 1
    assert len({short_number(tick) for tick in ticks}) == len(ticks)


def test_an_axis_that_ends_at_its_last_value_has_ticks_up_to_it() -> None:
    assert ticks_up_to(0) == [0]
    assert ticks_up_to(3) == [0, 1, 2, 3]
    assert ticks_up_to(1999) == [0, 500, 1000, 1500]


def test_corners_of_the_plot_lie_inside_the_picture() -> None:
    axes = Axes(Axis("step", [0, 10], 0, 12), Axis("%", [50, 60], 50, 60), 400, 250)
    assert axes.place(0, 50) == (axes.left, axes.bottom)
    assert axes.place(12, 60) == (axes.right, axes.top)
    assert axes.place(6, 55) == ((axes.left + axes.right) / 2, (axes.top + axes.bottom) / 2)
    assert 0 < axes.left < axes.right < 400
    assert 0 < axes.top < axes.bottom < 250
