"""`fcn compare` that is killed, and run again: whole or absent, and nothing is left over."""

import json
import signal
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from deaths import running_forks
from html_page import Page
from killed_compare_program import POINTS

from fcn.models.fcn import FCN

Run = Callable[..., int]
MARK = "FCN_TESTED_COMPARISON"
CONFIG = """
data: {{root: {root}}}
augmentation: {{crop_size: [24, 24]}}
model: {{net: fcn32s, width: 0.03125, fc_channels: 8}}
train: {{steps: 2, batch_size: 2, learning_rate: 0.01}}
"""


def processes(mark: str) -> list[int]:
    """Returns the processes that inherited a value of the environment and compute."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended
            continue
    return found


def assert_whole_or_absent(output: Path) -> None:
    document, page = output / "comparison.json", output / "comparison.html"
    if document.exists():
        assert json.loads(document.read_text())["nets"]
    if page.exists():
        assert Page(page.read_text().replace("<br>", "")).open == []


def nets(output: Path) -> list[dict[str, object]]:
    return json.loads((output / "comparison.json").read_text())["nets"]


def scores(output: Path) -> list[tuple[object, ...]]:
    return [tuple(net[key] for key in ("name", "mean_iou", "class_iou", "steps")) for net in nets(output)]


def kill_at_each(points: Sequence[str], arguments: Sequence[str], output: Path, run: Run, mark: str) -> None:
    """Kills a comparison at one point after the other, and lets it end."""
    left: set[Path] = set()
    for point in points:
        assert run(point, *arguments, "--output", str(output)) == -signal.SIGKILL
        assert_whole_or_absent(output)
        left, before = {*output.rglob(".*")}, left
        assert not left & before
        until = time.monotonic() + 60
        while len(processes(mark)) > 1:  # what labeled for it ends as well
            assert time.monotonic() < until
            time.sleep(0.1)
    assert run("", *arguments, "--output", str(output)) == 0
    assert_whole_or_absent(output)
    assert not list(output.rglob(".*"))


SOME = ["when labeling is timed", "before the page gets its name"]


@pytest.mark.parametrize(
    ("points", "trained"),
    [
        pytest.param(SOME, False, marks=pytest.mark.slow, id="some"),
        pytest.param(list(POINTS), True, marks=pytest.mark.exhaustive, id="all"),
    ],
)
def test_killed_at_named_points(
    points: list[str], trained: bool, make_dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_dataset(tmp_path / "data", {"train": ["a", "b"], "val": ["x", "y"]})
    model, config = tmp_path / "net.keras", tmp_path / "thin.yaml"
    FCN(3, stride=32, width=1 / 32, fc_channels=8, class_names=("ground", "cat", "dog")).save(model)
    config.write_text(CONFIG.format(root=root))
    sources = [str(model), *([str(config)] if trained else ["--data", str(root), "--split", "val"])]
    arguments = [*sources, "--images", "1"]
    mark = uuid.uuid4().hex
    monkeypatch.setenv(MARK, mark)
    with running_forks("killed_compare_program.py") as run:
        kill_at_each(points, arguments, tmp_path / "killed", run, mark)
        assert all(net["label_ms"] for net in nets(tmp_path / "killed"))
        if trained:
            kill_at_each([], arguments, tmp_path / "whole", run, mark)
            assert scores(tmp_path / "killed") == scores(tmp_path / "whole")


@pytest.mark.exhaustive
def test_a_grid_in_rungs_killed_at_named_points(
    make_dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_dataset(tmp_path / "data", {"train": ["a", "b"], "val": ["x", "y"]})
    config, mark = tmp_path / "thin.yaml", uuid.uuid4().hex
    config.write_text(CONFIG.format(root=root))
    arguments = [str(config), "--vary", "train.learning_rate=0.01,0.1", "--vary", "model.net=fcn32s,frontend"]
    arguments += ["--halving", "--steps", "4", "--images", "1"]
    monkeypatch.setenv(MARK, mark)
    with running_forks("killed_compare_program.py") as run:
        kill_at_each(list(POINTS), arguments, tmp_path / "killed", run, mark)
        kill_at_each([], arguments, tmp_path / "whole", run, mark)
    assert scores(tmp_path / "killed") == scores(tmp_path / "whole")
    rungs = [
        json.loads((tmp_path / name / "comparison.json").read_text())["rungs"] for name in ("killed", "whole")
    ]
    assert rungs[0] == rungs[1]
    assert [len(rung["mean_iou"]) for rung in rungs[0]] == [4, 2, 1]
