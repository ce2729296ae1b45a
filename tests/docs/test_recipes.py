"""Tests that beginners are sent to a measured recipe, and that the scores stated are the measured ones."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE, RESULTS = ((ROOT / path).read_text() for path in ("docs/pascal_voc.md", "docs/results.md"))
ROWS = [line for line in PAGE.splitlines() if line.startswith("| `configs/")]


def test_the_first_recipe_was_measured() -> None:
    (row,) = [row for row in ROWS if "Start here" in row]
    (trained,) = re.findall(r"^ {4}python train\.py (configs/\S+) --run runs/voc$", PAGE, re.MULTILINE)
    assert row.startswith(f"| `{trained}` |")
    header = (ROOT / trained).read_text().partition("\ndata:")[0]
    assert re.search(r"^# Time: +\d+ minutes", header, re.MULTILINE)
    assert "not reproduced" not in header


@pytest.mark.parametrize(
    ("recipe", "section"),
    [("voc_small", "Pascal VOC from ImageNet's"), ("camvid_imagenet", "CamVid from ImageNet's")],
)
def test_scores_are_those_of_the_results(recipe: str, section: str) -> None:
    (row,) = [row for row in ROWS if row.startswith(f"| `configs/{recipe}.yaml`")]
    measured = RESULTS.partition(f"\n## {section}")[2].partition("\n## ")[0]
    scores = {
        precision: f"{float(score):.1f}%"
        for precision, score in re.findall(r"^\| \w+, (float32|int8) \| ([\d.]+) \|", measured, re.MULTILINE)
    }
    assert f"{scores['float32']} after" in row
    if scores["int8"] == scores["float32"]:
        assert "also in int8" in row
    else:
        assert f"{scores['int8']} in int8" in row
