"""Tests of the reliability diagram, from ten pixels by hand."""

from xml.etree import ElementTree

import numpy as np
import pytest

from fcn.evaluation.calibration import CalibrationSums
from fcn.report.reliability import reliability_picture

SVG = "{http://www.w3.org/2000/svg}"


def one_bin(confidence: float, right: int, wrong: int) -> CalibrationSums:
    sums = CalibrationSums(2, bins=5)
    probabilities = np.tile(np.array([confidence, 1 - confidence], np.float32), (1, right + wrong, 1))
    sums.add(probabilities, np.array([[0] * right + [1] * wrong], np.uint8))
    return sums


def test_a_bar_is_as_high_as_the_share_that_is_right() -> None:
    sums = one_bin(0.9, 6, 4)
    text = reliability_picture([("probabilities", sums.calibration())], "a <net> & its data")
    tree = ElementTree.fromstring(text)
    assert tree.get("aria-label") == "a <net> & its data"
    right = [one for one in tree.iter(f"{SVG}rect") if one.get("class") == "right"][:2]
    (gap, *_) = [one for one in tree.iter(f"{SVG}rect") if one.get("class") == "gap"]
    # The plot is 270 units high: 350 without 34 above and 46 below. 60% are right, and 30% more are expected.
    assert float(right[0].get("height", 0)) == pytest.approx(0.6 * 270, abs=0.1)
    assert float(gap.get("height", 0)) == pytest.approx(0.3 * 270, abs=0.1)
    assert float(gap.get("y", 0)) + float(gap.get("height", 0)) == pytest.approx(
        float(right[0].get("y", 0)), abs=0.1
    )
    # Bins of 20%: the last has confidences from 80%, and all pixels; the plot is 270 wide too.
    assert float(right[0].get("x", 0)) == pytest.approx(64 + 0.8 * 270 + 0.5, abs=0.1)
    assert float(right[0].get("width", 0)) == pytest.approx(0.2 * 270 - 1, abs=0.1)
    assert float(right[1].get("height", 0)) == pytest.approx(150 - 34 - 46, abs=0.1)
    found = [one.text or "" for one in tree.iter(f"{SVG}title")]
    assert "100.00% of the pixels: mean confidence 90.00%, 60.00% labeled correctly" in found
    assert "expected calibration error 30.00%" in text


def test_diagrams_stand_side_by_side_and_one_of_nothing_is_empty() -> None:
    pictures = [("before", one_bin(0.9, 3, 1).calibration()), ("after", one_bin(0.75, 3, 1).calibration())]
    tree = ElementTree.fromstring(reliability_picture(pictures, "net"))
    assert tree.get("width") == "720"
    names = [one.text for one in tree.iter(f"{SVG}text") if one.get("class") == "name"]
    assert names == ["before", "after"]
    empty = ElementTree.fromstring(
        reliability_picture([("nothing", CalibrationSums(2).calibration())], "net")
    )
    assert not [one for one in empty.iter(f"{SVG}circle") if float(one.get("cx", 0)) > 100]
