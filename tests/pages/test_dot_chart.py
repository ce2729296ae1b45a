import math
import re
from itertools import combinations

import pytest
from html_page import Page

from fcn.pages.dot_chart import Dot, dot_chart
from fcn.pages.render import render


def chart(*dots: Dot) -> str:
    return render("dot_chart.html", chart=dot_chart(dots, "Mean IoU against time", "ms", "%"))


def test_dots_lie_where_their_numbers_say() -> None:
    text = chart(Dot("slow", 40, 60.0), Dot("fast", 10, 50.0), Dot("middle", 25, 55.0))
    places = {
        name: (float(x), float(y))
        for x, y, name in re.findall(r'<circle cx="(.*?)" cy="(.*?)" r="5"><title>(\w+):', text)
    }
    (x0, y0), (x1, y1), (x2, y2) = places["fast"], places["middle"], places["slow"]
    assert x1 == pytest.approx((x0 + x2) / 2, abs=0.1)
    assert y1 == pytest.approx((y0 + y2) / 2, abs=0.1)
    assert x0 < x2
    assert y2 < y0  # better is higher up
    ticks = re.findall(r'<text x="([\d.]+)" y="274" text-anchor="middle">(.*?)</text>', text)
    assert [float(label) for _, label in ticks] == [0, 10, 20, 30, 40]
    assert float(ticks[1][0]) == pytest.approx(x0, abs=0.1)
    assert Page(text).open == []


def test_names_do_not_cover_each_other() -> None:
    text = chart(*(Dot(f"net{index}", 30 + index / 100, 50 + index / 1000) for index in range(6)))
    found = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="middle">net', text)
    labels = [(float(x), float(y)) for x, y in found]
    assert len(labels) == 6
    # A name is 30 units wide or more, a line 16 or more high.
    for (x, y), (other_x, other_y) in combinations(labels, 2):
        assert abs(x - other_x) >= 30 or abs(y - other_y) >= 16
    for x, y in labels:
        assert 0 < x < 480
        assert 0 < y < 300


def test_what_was_not_timed_is_left_out() -> None:
    text = chart(Dot("known", 10, 50.0), Dot("untimed", math.nan, 60.0), Dot("unscored", 10, math.nan))
    assert text.count("<circle") == 1
    assert "untimed" not in text
    assert "<svg" not in chart(Dot("untimed", math.nan, 60.0))
    assert "Nothing was timed" in chart()


@pytest.mark.parametrize("score", [0.0, 42.0, 100.0])
def test_a_single_net_or_equal_ones_have_a_chart(score: float) -> None:
    text = chart(Dot("one", 0.5, score), Dot("two", 0.5, score))
    assert "nan" not in text
    heights = [float(y) for y in re.findall(r'cy="(.*?)"', text)]
    assert all(0 <= y <= 300 for y in heights)
