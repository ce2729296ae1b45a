"""Trainings that are killed and resumed must end as ones that never were."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from backends import assert_same_training
from killed_training_program import POINTS

from fcn.data.generated.dataset import generate_dataset
from fcn.runs.log import read_log
from fcn.runs.model_file import RunFolder

ROOT = Path(__file__).parents[2]
RECIPE = """
data: {root: ROOT, sampling: SAMPLING}
augmentation: {crop_size: [32, 32], scale: [0.5, 2.0], color_jitter: 0.3}
model: {net: NET, width: 0.03125, fc_channels: 16, batch_normalization: true, dropout: 0.5}
train:
  {steps: STEPS, batch_size: 4, accumulate: 2, learning_rate: 0.05, schedule: poly, ema: 0.9, clip_norm: 1.0,
   log_steps: LOGGED, checkpoint_steps: SAVED, checkpoint_minutes: MINUTES, evaluate_steps: SCORED,
   keep_checkpoints: 2}
"""
# Only the columns of time may differ.
CLOCK = ("images_per_second", "elapsed_seconds")


def start(recipe: Path, run: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), str(recipe), "--run", str(run), "--resume"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=900)  # so long only where other jobs have the machine
    assert process.returncode == 0, errors


def started_again(run: RunFolder, before: float, process: subprocess.Popen[str]) -> bool:
    """Waits until a session has started to train; returns whether it still does."""
    for _ in range(3000):
        if process.poll() is not None:
            return False
        with contextlib.suppress(FileNotFoundError):
            if run.environment.stat().st_mtime_ns > before:
                return True
        time.sleep(0.02)
    raise AssertionError("the training does not begin")


def killed_at_random(
    recipe: Path, run: RunFolder, number: int, longest: float, chance: random.Random
) -> bool:
    """Starts or resumes a training and kills it at a random moment; returns whether it was killed."""
    before = run.environment.stat().st_mtime_ns if run.environment.exists() else 0
    process = start(recipe, run.path)
    try:
        if number % 5 == 4:  # also before anything is written, or anything read
            time.sleep(chance.uniform(0, 6))
        elif started_again(run, before, process):
            time.sleep(chance.uniform(0, longest))
        # Every third is told to stop, which it may do at its leisure.
        process.send_signal(signal.SIGTERM if number % 3 == 2 else signal.SIGKILL)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode in (0, 143, -signal.SIGKILL, -signal.SIGTERM), errors
    return process.returncode != 0


def comparable(run: RunFolder) -> list[dict[str, str]]:
    return [{key: text for key, text in row.items() if key not in CLOCK} for row in read_log(run.log)]


def write_recipe(folder: Path, **values: object) -> Path:
    """Writes a data set and a configuration that trains on it."""
    generate_dataset(folder / "data", 9, 3, seed=1)
    text = RECIPE
    for name, value in ({"ROOT": folder / "data"} | values).items():
        assert name in text
        text = text.replace(name, str(value))
    (folder / "recipe.yaml").write_text(text)
    return folder / "recipe.yaml"


def assert_equals(run: RunFolder, whole: RunFolder) -> None:
    """Checks that a run has the log, scores and weights of another, and no half written file."""
    assert comparable(run) == comparable(whole)
    assert json.loads(run.scores.read_text()) == json.loads(whole.scores.read_text())
    assert_same_training(whole, run)
    assert not list(run.path.rglob("*.tmp*"))


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(
            (
                "after the second checkpoint",
                "between the best checkpoint and its scores",
                "after the row of scores",
            ),
            marks=pytest.mark.slow,
            id="some",
        ),
        pytest.param((*POINTS,), marks=pytest.mark.exhaustive, id="all"),
    ],
)
def test_killed_at_named_points_equals_never_killed(points: tuple[str, ...], tmp_path: Path) -> None:
    # Every step takes longer than these minutes: each is followed by a checkpoint.
    recipe = write_recipe(
        tmp_path,
        SAMPLING="balanced",
        NET="fcn32s",
        STEPS=5,
        LOGGED=3,
        SAVED=100,
        MINUTES=1e-5,
        SCORED=4,
    )
    whole, run = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "killed")
    # Each goes on where the one before it was killed; the last is not.
    lines = [("", recipe, whole.path), *((point, recipe, run.path) for point in (*points, ""))]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "killed_training_program.py")],
        input="".join(json.dumps([*map(str, line)]) + "\n" for line in lines),
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        capture_output=True,
        text=True,
        check=True,
        timeout=900,
    )
    statuses = [int(line) for line in done.stdout.splitlines()]
    assert statuses == [0, *(-signal.SIGKILL for _ in points), 0], done.stderr
    assert_equals(run, whole)


@pytest.mark.exhaustive
def test_killed_at_random_moments_equals_never_killed(tmp_path: Path) -> None:
    kills, steps = 20, 600
    recipe = write_recipe(
        tmp_path,
        SAMPLING="uniform",
        NET="fcn8s",
        STEPS=steps,
        LOGGED=7,
        SAVED=11,
        MINUTES=0.05,
        SCORED=40,
    )
    whole = RunFolder(tmp_path / "whole")
    finish(start(recipe, whole.path))
    # The kills together leave about half of the training to the end, on a machine that is always as fast.
    longest = (time.time() - whole.environment.stat().st_mtime) / kills

    chance, killed = random.Random(kills), 0
    # A training that ends before all kills is compared as well, and the next one takes the rest of them.
    for number in range(kills):
        run = RunFolder(tmp_path / f"killed_{number}")
        while killed < kills:
            if not killed_at_random(recipe, run, killed, longest, chance):
                break
            killed += 1
        else:
            finish(start(recipe, run.path))
        assert_equals(run, whole)
        if killed == kills:
            return
    pytest.fail("The trainings end before they are killed.")
