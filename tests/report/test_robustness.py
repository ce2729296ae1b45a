import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from html_page import HOSTILE_NAMES

from fcn.evaluation.corruptions.corrupt import CORRUPTIONS
from fcn.evaluation.robustness import Robustness
from fcn.pages.percent import percent
from fcn.report.robustness import write_robustness

SVG = "{http://www.w3.org/2000/svg}"


def drawn(path: Path, robustness: Robustness, mean_iou: float, title: str = "net") -> ElementTree.Element:
    write_robustness(path / "robustness.svg", robustness, mean_iou, title)
    return ElementTree.fromstring((path / "robustness.svg").read_text())


def texts(element: ElementTree.Element) -> list[str]:
    return [found.text or "" for found in element.iter(f"{SVG}text")]


def test_each_corruption_has_a_chart_and_so_has_their_mean(tmp_path: Path) -> None:
    scores = {
        name: tuple(0.6 - 0.02 * row - 0.05 * column for column in range(5))
        for row, name in enumerate(CORRUPTIONS)
    }
    robustness = Robustness(scores)
    picture = drawn(tmp_path, robustness, 0.65, "a net on its data")
    charts = picture.findall(f"{SVG}g")
    assert len(charts) == 16
    title, note = texts(picture)[:2]
    assert title == "a net on its data"
    assert note.endswith(f": {percent(robustness.average)}")
    for chart, name in zip(charts[1:], CORRUPTIONS, strict=True):
        assert name.replace("_", " ") in texts(chart)
        dots = chart.findall(f"{SVG}circle")
        shown = [dot.findtext(f"{SVG}title") for dot in dots]
        values = (0.65, *scores[name])
        expected = [f"{name.replace('_', ' ')}, strength {n}: {percent(v)}" for n, v in enumerate(values)]
        assert shown == expected
        # All charts have one axis, from 0 to 80%: a score of 80% would be at the top of the plot, 34.
        assert {"0%", "20%", "80%"} <= set(texts(chart))
        heights = [float(dot.attrib["cy"]) for dot in dots]
        assert heights == pytest.approx([164 - (164 - 34) * value / 0.8 for value in values], abs=0.06)
        (line,) = chart.findall(f"{SVG}polyline")
        assert line.attrib["points"].split() == [f"{d.attrib['cx']},{d.attrib['cy']}" for d in dots]
    means = [dot.findtext(f"{SVG}title") for dot in charts[0].findall(f"{SVG}circle")]
    assert means[1] == f"mean of all, strength 1: {percent(0.6 - 0.02 * 7)}"
    places = [tuple(map(int, re.findall(r"\d+", chart.attrib["transform"]))) for chart in charts]
    assert len(set(places)) == 16
    width, height = (int(picture.attrib[side]) for side in ("width", "height"))
    assert all(0 <= left <= width - 320 and 0 < top <= height - 210 for left, top in places)


def test_scores_that_there_are_not_are_left_out(tmp_path: Path) -> None:
    picture = drawn(tmp_path, Robustness({"fog": (0.5, math.nan, 0.25, 0.125, 0.0)}), math.nan)
    mean, fog = picture.findall(f"{SVG}g")
    for chart in (mean, fog):
        assert len(chart.findall(f"{SVG}circle")) == 4
        assert not chart.findall(f"{SVG}path[@class='whole']")
    nothing = drawn(tmp_path, Robustness({"fog": (math.nan,) * 5}), math.nan)
    assert not list(nothing.iter(f"{SVG}circle"))


@pytest.mark.parametrize("name", [*HOSTILE_NAMES, "\x1b[31m\udcff]]>"])
def test_hostile_titles_add_no_elements(name: str, tmp_path: Path) -> None:
    robustness = Robustness({"fog": (0.5, 0.4, 0.3, 0.2, 0.1)})
    hostile, harmless = (drawn(tmp_path, robustness, 0.6, title) for title in (name, "net"))
    assert [one.tag for one in hostile.iter()] == [one.tag for one in harmless.iter()]
    if name.isprintable():
        assert texts(hostile)[0] == hostile.attrib["aria-label"] == name
