"""Tests of the tables and the picture of ever smaller nets."""

import csv
import json
import math
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fcn.errors import RunError
from fcn.slimming.step_table import SlimStep, describe_times, format_markdown, read_steps, write_steps

TIMED = ("tensorflow float32", "360x480")
STEPS = [
    SlimStep("full", 160.0, 4_000_000, 300.0, None, 0.625, *TIMED),
    SlimStep("step_01", 128.5, 3_000_000, 250.5, 0.5, 0.6225, *TIMED),
    SlimStep("step_02", 100.25, 2_000_000, 190.0, None, 0.61, *TIMED),
]


def test_steps_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_steps(tmp_path) == []
    write_steps(tmp_path, STEPS)
    assert read_steps(tmp_path) == STEPS
    rows = list(csv.DictReader((tmp_path / "steps.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == ["full", "step_01", "step_02"]
    assert [float(row["mean_iou"]) for row in rows] == [0.625, 0.6225, 0.61]
    assert [row["untrained_mean_iou"] for row in rows] == ["", "0.5", ""]
    assert (tmp_path / "steps.md").read_text() == format_markdown(STEPS)
    (tmp_path / "steps.json").write_text("{")
    with pytest.raises(RunError, match=r"steps\.json"):
        read_steps(tmp_path)


def test_points_that_were_lost_are_told() -> None:
    lines = [line for line in format_markdown(STEPS).splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert [row[-1] for row in rows[2:]] == ["0.00", "0.25", "1.50"]
    assert rows[3] == ["step_01", "128.5", "3,000,000", "250.5", "50.00%", "62.25%", "0.25"]


def test_the_picture_has_a_dot_for_each_where_its_numbers_say(tmp_path: Path) -> None:
    write_steps(tmp_path, STEPS)
    svg = ElementTree.parse(tmp_path / "steps.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in svg.iter(f"{space}circle")]
    assert len(dots) == len(STEPS)
    # Later steps are faster, so farther left, and worse, so lower.
    assert dots == sorted(dots, key=lambda dot: -dot[0]) == sorted(dots, key=lambda dot: dot[1])
    across = (dots[0][0] - dots[1][0]) / (dots[0][0] - dots[2][0])
    assert math.isclose(across, (300 - 250.5) / (300 - 190), abs_tol=0.01)
    assert {"full", "step_01", "step_02"} <= {text.text for text in svg.iter(f"{space}text")}


def test_times_say_what_they_are_of(tmp_path: Path) -> None:
    write_steps(tmp_path, STEPS)
    said = "ms per image of 360x480, tensorflow float32"
    assert (tmp_path / "steps.md").read_text().endswith(f" |\n\n{said}\n")
    assert said in (tmp_path / "steps.svg").read_text()
    (row, *_) = csv.DictReader((tmp_path / "steps.csv").read_text().splitlines())
    assert (row["engine"], row["image_size"]) == TIMED
    other = STEPS[2]._replace(engine="openvino int8")
    assert describe_times([*STEPS[:2], other]) == [
        f"{said} (full, step_01)",
        "ms per image of 360x480, openvino int8 (step_02)",
    ]


def test_steps_of_earlier_versions_are_read(tmp_path: Path) -> None:
    write_steps(tmp_path, STEPS)
    path = tmp_path / "steps.json"
    document = json.loads(path.read_text())
    for step in document["steps"]:
        del step["engine"], step["image_size"]
    path.write_text(json.dumps(document))
    steps = read_steps(tmp_path)
    assert [step.milliseconds for step in steps] == [300.0, 250.5, 190.0]
    assert describe_times(steps) == ["ms per image"]
