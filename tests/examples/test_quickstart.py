"""The newcomer's first command, from an empty folder."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "quickstart.py"


def go(folder: Path, images: int, *arguments: str) -> list[list[str]]:
    """Runs the script, looks for all that it promises but scores, and returns the commands to try next."""
    done = subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = folder / "runs" / "quickstart"
    assert json.loads((run / "scores.json").read_text())["num_images"] == images
    assert json.loads((run / "scores_other_seed.json").read_text())["num_images"] == images
    assert (run / "export" / "1" / "saved_model.pb").exists()
    assert (run / "report.html").stat().st_size > 100_000
    assert len(list((run / "labels").glob("*.png"))) == images
    assert len(list((run / "labels").glob("*.overlay.jpg"))) == images
    for text in ("mean IoU", "Try next", "report.html", "agrees on 100.0000% of the pixels"):
        assert text in done.stdout
    lines = done.stdout.partition("Try next:\n")[2].splitlines()
    return [shlex.split(line) for line in lines if line.startswith("  ")]


@pytest.mark.slow
def test_the_short_way_does_everything_once(tmp_path: Path, python: Path) -> None:
    tried = go(tmp_path, 6, "--short")
    assert [words[3] for words in tried] == ["infer", "evaluate", "train"]
    for program, *words in tried:
        assert program == sys.executable
        command = [python, *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
    # The next quickstart removes what they wrote, so that they work again.
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"quickstart", "quickstart-data"}
    # The data set of another seed has 6 images in val, and one in train.
    assert len(list((tmp_path / "runs" / "quickstart" / "unseen").glob("*.png"))) == 7


@pytest.mark.exhaustive
def test_quickstart_learns_what_it_promises(tmp_path: Path) -> None:
    go(tmp_path, 100)
    run = tmp_path / "runs" / "quickstart"
    assert json.loads((run / "scores.json").read_text())["mean_iou"] >= 0.75
    assert json.loads((run / "scores_other_seed.json").read_text())["mean_iou"] >= 0.70
