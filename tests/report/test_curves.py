import re

import numpy as np
import pytest

from fcn.pages.percent import percent
from fcn.pages.render import render
from fcn.report.curves import Curve, curve_of, line_chart


def test_a_curve_is_in_the_order_of_the_steps() -> None:
    cells = [("20", "2", ""), ("10", "3", "0.25"), ("20", "1", "nan"), ("30", "inf", "x")]
    rows = [dict(zip(("step", "loss", "mean_iou"), row, strict=True)) for row in cells]
    loss, mean_iou = curve_of(rows, "loss"), curve_of(rows, "mean_iou")
    assert (loss.steps.tolist(), loss.values.tolist()) == ([10, 20], [3, 1])
    assert (mean_iou.steps.tolist(), mean_iou.values.tolist()) == ([10], [0.25])
    assert (loss.last(), loss.highest()) == ("1 at step 20", "3 at step 10")
    assert mean_iou.highest(percent) == "25.00% at step 10"


def curve_through(*values: float) -> Curve:
    return Curve(np.arange(1.0, len(values) + 1) * 100, np.array(values))


def drawn(curve: Curve) -> str:
    return render("line_chart.html", chart=line_chart(curve, "T", "U", "N"))


def points_of(chart: str) -> list[list[float]]:
    found = re.search(r'points="([^"]*)"', chart)
    assert found
    return [[float(number) for number in pair.split(",")] for pair in found[1].split()]


def test_a_chart_puts_points_where_its_ticks_say() -> None:
    chart = drawn(curve_through(0.2, 0.4, 0.4, 0.8))
    ticks = {text: float(y) - 5 for y, text in re.findall(r'y="([\d.]+)" text-anchor="end">([^<]*)<', chart)}
    assert list(ticks) == ["0", "0.2", "0.4", "0.6", "0.8"]
    xs, ys = zip(*points_of(chart), strict=True)
    assert ys == pytest.approx([ticks["0.2"], ticks["0.4"], ticks["0.4"], ticks["0.8"]], abs=0.11)
    steps = {
        text: float(x)
        for x, text in re.findall(r'x="([\d.]+)" y="[\d.]+" text-anchor="middle">(\d+)<', chart)
    }
    assert list(steps) == ["0", "100", "200", "300", "400"]
    assert xs == pytest.approx([steps["100"], steps["200"], steps["300"], steps["400"]], abs=0.11)


@pytest.mark.parametrize("values", [(0.0, 0.0), (1e-7, 3e-9), (1e9, 5.0), (12e-5, 12e-5), tuple(range(5000))])
def test_any_curve_stays_inside_its_picture(values: tuple[float, ...]) -> None:
    chart = drawn(curve_through(*values))
    points = np.array(points_of(chart))
    assert len(points) <= 250
    assert ((points >= 0) & (points <= [400, 250])).all()
    ticks = re.findall(r'text-anchor="end">([^<]*)<', chart)
    assert 2 <= len(set(ticks)) == len(ticks) <= 6
    assert max(map(len, ticks)) <= 6


def test_a_single_value_is_said_in_words() -> None:
    chart = drawn(curve_through(0.75))
    assert "Not enough steps for a curve. The only value: 0.75 at step 100." in chart
    assert "<svg" not in chart


def test_a_smoothed_line_stays_a_line() -> None:
    line = curve_through(*np.linspace(3, 1, 200))
    assert line.smoothed().values == pytest.approx(line.values)
    noise = curve_through(*np.tile([0.0, 1.0], 100))
    assert np.abs(noise.smoothed().values[20:-20] - 0.5).max() < 0.05
