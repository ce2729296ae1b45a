"""Tests of the report while a net is trained."""

import base64
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from html_page import Page, decoded

import fcn
from fcn.errors import DataError
from fcn.evaluation.evaluation import Evaluation, ImageScore
from fcn.evaluation.metrics import Scores
from fcn.report import Progress, Snapshot, take_snapshot, write_progress_report, write_report
from fcn.report.page import is_finished_report
from fcn.runs.model_file import RunFolder

WITHOUT_BACKEND = """
import sys
sys.modules |= {"tensorflow": None, "keras": None}
from pathlib import Path
from types import SimpleNamespace
import fcn.cli.main
from fcn.report import Progress, write_progress_report
assert "jinja2" not in sys.modules, "imported before a page is written"
folder = Path(sys.argv[1])
files = {name: folder / name for name in ("config", "log", "environment")}
run = SimpleNamespace(path=folder, report=folder / "report.html", exists=lambda: False, **files)
write_progress_report(run, Progress(3, 10))
"""


@pytest.fixture(scope="module")
def snapshot(made) -> Snapshot:
    return take_snapshot(made.predictor, made.evaluation, "val", "Weights after step 2,000", num_pictures=1)


def reloads(page: Page) -> list[str | None]:
    """Returns after how many seconds the page reloads itself, while its box is checked."""
    assert [meta for meta in page.all("meta") if meta.get("http-equiv") == "refresh"] == []
    return [box["data-seconds"] for box in page.all("input") if "checked" in box]


def written(run: RunFolder, progress: Progress, snapshot: Snapshot | None = None) -> Page:
    write_progress_report(run, progress, snapshot)
    return Page(run.report.read_text())


def test_before_the_first_evaluation_it_says_how_far_it_is(tmp_path: Path) -> None:
    page = written(RunFolder(tmp_path), Progress(step=1200, steps=20_000, seconds_left=720.0))
    assert page.open == []
    assert "training: step 1,200 of 20,000, 12 min left" in page.text
    assert reloads(page) == ["30"]
    (bar,) = page.all("progress")
    assert (bar["value"], bar["max"]) == ("1200", "20000")
    assert "Scores" not in page.text
    assert page.all("img") == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 min"),
        (60, "1 min"),
        (61, "2 min"),
        (3599, "1 h 0 min"),
        (19_200, "5 h 20 min"),
        (1e5, "1 d 3 h"),
    ],
)
def test_the_time_left_is_said_in_few_words(tmp_path: Path, seconds: float, text: str) -> None:
    page = written(RunFolder(tmp_path), Progress(1, 10, seconds))
    assert f"step 1 of 10, {text} left\n" in page.text


def test_later_it_shows_the_curves_and_the_latest_scores(made, snapshot: Snapshot, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a<script>run")
    run.path.mkdir()
    run.log.write_bytes(made.run.log.read_bytes())
    page = written(run, Progress(3, 10), snapshot)
    assert len(page.all("svg")) == 3
    assert f"mean IoU{100 * made.evaluation.scores.mean_iou:.2f}%" in page.text
    assert "Weights after step 2,000, on 3 images of the split “val”" in page.text
    assert "training: step 3 of 10\n" in page.text
    assert [decoded(image).size for image in page.all("img")] == [(30, 24)] * 8
    assert "Confusion" in page.text
    assert not {"link", "iframe"} & {tag for tag, _ in page.elements}


def test_browsers_run_the_script_that_reloads_the_page_and_no_other(made, tmp_path: Path) -> None:
    page = written(RunFolder(tmp_path), Progress(3, 10))
    (script,) = re.findall("<script>(.*?)</script>", (tmp_path / "report.html").read_text(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert f"script-src 'sha256-{digest}'" in str(policy)
    for after in (
        written(RunFolder(tmp_path), Progress(3, 10, ended="Stopped.")),
        Page(made.run.report.read_text()),
    ):
        assert after.all("script") == []
        (policy,) = [meta["content"] for meta in after.all("meta") if "http-equiv" in meta]
        assert "script-src" not in str(policy)


def test_writing_it_again_needs_no_image(made, snapshot: Snapshot, tmp_path: Path) -> None:
    lost = tuple(
        ImageScore(score.example._replace(image_path=tmp_path / "lost.jpg"), score.mean_iou)
        for score in made.evaluation.images
    )
    evaluation = made.evaluation._replace(images=lost)
    page = written(RunFolder(tmp_path), Progress(3, 10), snapshot._replace(evaluation=evaluation))
    assert len(page.all("img")) == 8
    with pytest.raises(DataError, match=r"lost\.jpg"):
        take_snapshot(made.predictor, evaluation, "val", "Best checkpoint")


def test_when_it_ended_early_it_says_why_and_stays(snapshot: Snapshot, tmp_path: Path) -> None:
    page = written(RunFolder(tmp_path), Progress(3, 10, ended="<b>No space left."), snapshot)
    assert reloads(page) == []
    assert "ended at step 3 of 10" in page.text
    assert "<b>No space left." in page.text


def test_the_report_of_a_finished_run_stays(made, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert not is_finished_report(run.report)
    run.report.write_text('<meta http-equiv="refresh" content="30">')  # of an earlier version
    assert not is_finished_report(run.report)
    written(run, Progress(3, 10))
    assert not is_finished_report(run.report)
    write_report(run, made.predictor, made.evaluation)
    assert is_finished_report(run.report)
    page = Page(run.report.read_text())
    assert reloads(page) == []
    assert page.all("progress") == []
    assert "Best checkpoint, on 3 images" in page.text


def test_its_size_is_bounded(made, snapshot: Snapshot, rng: np.random.Generator, tmp_path: Path) -> None:
    matrix = rng.integers(0, 1000, (60, 60))
    names = tuple(f"a class with a long name {index}" for index in range(60))
    classes = made.predictor.classes.named(names)
    evaluation = Evaluation(Scores.from_matrix(matrix), matrix, made.evaluation.images)
    run = RunFolder(tmp_path)
    lines = [f"{step},{1 / step},0.1,9,{step},,,,," for step in range(1, 20_001)]
    run.log.write_text("\n".join((made.run.log.read_text().partition("\n")[0], *lines, "")))
    page = written(run, Progress(20_000, 30_000), snapshot._replace(evaluation=evaluation, classes=classes))
    assert run.report.stat().st_size < 1_000_000
    assert len(page.all("table")) == 3
    bars = re.findall(r'<i style="width:([\d.]+)%">', run.report.read_text())
    ious = evaluation.scores.class_iou
    assert [float(width) for width in bars] == pytest.approx((100 * ious).tolist(), abs=0.051)


def test_it_needs_neither_tensorflow_nor_keras(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_BACKEND, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(Path(fcn.__file__).parents[1])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "step 3 of 10" in (tmp_path / "report.html").read_text()
