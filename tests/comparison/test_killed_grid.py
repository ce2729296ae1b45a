"""A grid in rungs that is killed and run again ends as one that never was."""

import csv
import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from deaths import running_forks
from killed_grid_program import POINTS

from fcn.comparison.halving import better_half
from fcn.runs.folder import RunFolder
from fcn.training.changes import lengths_before

Run = Callable[..., int]
PAIR = ["train.learning_rate=1e-3,1.0", "model.net=fcn32s"]
GRID = ["train.learning_rate=1e-3,1.0", "model.net=fcn32s,frontend"]
TIMES = ("images_per_second", "elapsed_seconds")


@pytest.fixture
def config(make_dataset, tmp_path: Path) -> Path:
    root = make_dataset(tmp_path / "data", {"train": ["a", "b"], "val": ["x", "y"]})
    path = tmp_path / "thin.yaml"
    path.write_text(
        f"data: {{root: {root}}}\n"
        "augmentation: {crop_size: [24, 24]}\n"
        "model: {width: 0.03125, fc_channels: 8, batch_normalization: true}\n"
        "train: {steps: 4, batch_size: 2, checkpoint_steps: 1, log_steps: 1}\n"
    )
    return path


def trained(
    config: Path, output: Path, run: Run, vary: Sequence[str], points: Sequence[str] = ()
) -> tuple[list, dict]:
    """Trains a grid that dies at each of these points; returns its rungs, and the logs without times."""
    for point in points:
        assert run(point, str(config), str(output), vary) == -signal.SIGKILL, point
    assert run("", str(config), str(output), vary) == 0
    logs = {}
    for path in output.glob("*/log.csv"):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        logs[path.parent.name] = [
            {key: text for key, text in row.items() if key not in TIMES} for row in rows
        ]
    rungs, failures = json.loads((output / "rungs.json").read_text())
    assert failures == {}
    return rungs, logs


def check_rungs(rungs: list, logs: dict, output: Path, sizes: dict[int, int]) -> None:
    """Checks who was trained for how long, and by which scores; `sizes` are numbers of nets by steps."""
    assert {steps: len(scores) for steps, scores, _ in rungs} == sizes
    last_steps = {}
    for steps, scores, kept in rungs:
        assert tuple(kept) == better_half(scores)
        last_steps |= dict.fromkeys(scores, steps)
    for name, steps in last_steps.items():
        rate, net = name.split(", ")
        folder = f"train.learning_rate={rate},model.net={net}"
        run = RunFolder(output / folder)
        assert run.load_config().train.steps == steps
        assert list(dict.fromkeys([*lengths_before(run), steps])) == [one for one in sizes if one <= steps]
        assert max(int(row["step"]) for row in logs[folder]) == steps
        for rung_steps, scores, _ in rungs:
            found = [row for row in logs[folder] if row["mean_iou"] and int(row["step"]) <= rung_steps]
            if name in scores:
                assert scores[name] == max(float(row["mean_iou"]) for row in found)


SOME = [
    "within the steps",
    "when a longer training is recorded, and not in its configuration",
    "before the row of scores",
]


@pytest.mark.parametrize(
    ("points", "vary", "sizes"),
    [
        pytest.param(SOME, PAIR, {2: 2, 4: 1}, marks=pytest.mark.slow, id="some"),
        pytest.param(SOME, GRID, {1: 4, 2: 2, 4: 1}, marks=pytest.mark.exhaustive, id="grid"),
        pytest.param(list(POINTS), GRID, {1: 4, 2: 2, 4: 1}, marks=pytest.mark.exhaustive, id="all"),
    ],
)
def test_killed_at_named_points(
    points: list[str], vary: list[str], sizes: dict[int, int], config: Path, tmp_path: Path
) -> None:
    with running_forks("killed_grid_program.py") as run:
        killed = trained(config, tmp_path / "killed", run, vary, points)
        whole = trained(config, tmp_path / "whole", run, vary)
    assert killed == whole
    check_rungs(*killed, tmp_path / "killed", sizes)


@pytest.mark.exhaustive
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_one_point(point: str, config: Path, tmp_path: Path) -> None:
    with running_forks("killed_grid_program.py") as run:
        killed = trained(config, tmp_path / "killed", run, GRID, [point])
        whole = trained(config, tmp_path / "whole", run, GRID)
    assert killed == whole
