"""A training of some hours: its steps are measured, fixed before the first one, and those of the run."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from thin_training import arrays, thin_config

from fcn.config.file import Config, load_config
from fcn.data.image_io import read_size
from fcn.errors import ConfigError, RunError
from fcn.runs.folder import RunFolder
from fcn.system.files import write_json
from fcn.system.remedies import naming_options
from fcn.training.checked_data import read_checked
from fcn.training.cost import FEWEST_STEPS, Cost
from fcn.training.loop import train
from fcn.training.step_clock import StepClock
from fcn.training.steps import with_recorded_steps
from fcn.training.trial import part_of

COST = Cost(
    steps=8,
    start_seconds=20.0,
    step_seconds=0.5,
    save_seconds=2.0,
    score_seconds=1.5,
    end_seconds=3.0,
    device="CPU",
    accelerator_bytes=None,
)


def configured(**train_values) -> Config:
    return thin_config(Path("data"), {"evaluate_steps": 100, "checkpoint_steps": 50, **train_values})


def test_the_time_of_a_training_is_that_of_its_parts() -> None:
    # 249 steps after the first, scored after 100, 200 and 250, saved after 50, 100, ..., 250.
    expected = 20 + 249 * 0.5 + 3 * 4 * 1.5 + 5 * 2 + 3
    assert math.isclose(COST.total_seconds(configured(), 250, 4.0), expected)


@pytest.mark.parametrize("seconds", [0.0, 20.0, 30.9, 100.0, 3600.0, 36_000.0])
def test_as_many_steps_as_the_time_allows(seconds: float) -> None:
    config = configured()
    steps = COST.steps_within(config, seconds, 4.0)
    assert steps == 0 or COST.total_seconds(config, steps, 4.0) <= seconds
    assert COST.total_seconds(config, steps + 1, 4.0) > seconds


def test_the_clock_takes_saving_and_scoring_apart() -> None:
    clock = StepClock(accumulate=2, score_steps=4, seconds=60)
    clock._began, now = 0.0, 0.0
    # The first step and the first scoring trace the net.
    for step, seconds in enumerate([30, 3, 1, 20, 1, 3, 1, 8, 1, 3, 1, 8], start=1):
        now += seconds
        clock._ends.append(now)
        assert len(clock._ends) == step
    cost = clock.cost(2.5, now + 4, "CPU", None)
    assert cost == Cost(12, 30.0, 1.0, 2.0, 2.0, 4.0, "CPU", None)


def test_hours_and_another_length_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("data: {root: data}\ntrain: {steps: 9, hours: 3}\n")
    with pytest.raises(ConfigError, match=re.escape("train.steps=9 and train.hours=3: expected only one")):
        load_config(path)
    every = ["train.epochs=3", "train.hours=0.5", "train.steps=9"]
    with pytest.raises(ConfigError, match=r"train.steps=9 and train.epochs=3 and train.hours=0.5: expected"):
        load_config(path, every)
    assert load_config(path, ["train.hours=0.5"]).train.hours == 0.5
    assert load_config(path, ["train.steps=2"]).train.hours is None
    path.write_text(load_config(path, ["train.hours=0.5"]).to_yaml())
    assert load_config(path).train.hours == 0.5
    with pytest.raises(ConfigError, match=r"train.hours: expected .* or null"):
        load_config(path, ["train.hours=0"])


def test_the_hours_of_a_run_stay(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    wanted = configured(hours=2.0)
    assert with_recorded_steps(wanted, run) is wanted  # there is no run yet
    run.config.write_text(configured(steps=700).to_yaml())
    with pytest.raises(RunError, match=re.escape("was started without train.hours and has 700 steps")):
        with_recorded_steps(wanted, run)
    write_json(run.length, {"hours": 2.0, "steps": 700})
    found = with_recorded_steps(wanted, run).train
    assert (found.steps, found.hours) == (700, None)
    message = rf"with train.hours=2 and .* --resume {run.path} --set train.steps=350"
    with naming_options(), pytest.raises(RunError, match=message):
        with_recorded_steps(configured(hours=1.0), run)
    python = re.escape(f"fcn.train(None, '{run.path}', resume=True, overrides=['train.steps=350'])")
    with pytest.raises(RunError, match=python):
        with_recorded_steps(configured(hours=1.0), run)


def test_a_part_of_checked_data_keeps_the_facts_of_each_example(dataset: Path) -> None:
    data = read_checked(configured().data.model_copy(update={"root": dataset}))
    chosen = list(reversed(range(len(data.train_examples))))
    part = part_of(data, chosen, [0])
    assert part.train_examples == [data.train_examples[index] for index in chosen]
    assert part.train_sizes == [read_size(example.image_path) for example in part.train_examples]
    assert part.train_digests == [data.train_digests[index] for index in chosen]


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_training_of_hours_is_one_of_its_steps(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Measuring changes neither weights nor random numbers: the same steps give the same weights."""
    config = thin_config(dataset, {"batch_size": 2, "hours": 1e-3})
    run = train(config, tmp_path / "hours").run
    recorded = json.loads(run.length.read_text())
    steps = run.load_config().train.steps
    # The time is over when the steps have been measured.
    assert (recorded["hours"], recorded["steps"], recorded["measured"]["steps"]) == (1e-3, 1, FEWEST_STEPS)
    assert (steps, run.load_config().train.hours) == (1, None)
    assert "train.hours=0.001: 1 step of 2, since a step took" in capsys.readouterr().err
    plain = train(thin_config(dataset, {"batch_size": 2, "steps": 1}), tmp_path / "steps").run
    for one, other in zip(arrays(run.last), arrays(plain.last), strict=True):
        np.testing.assert_array_equal(one, other)
    before = run.last.read_bytes()
    assert not (tmp_path / "hours" / "checkpoints" / "step_00000001.keras").exists()
    train(config, run.path, resume=True)  # it is not measured again
    assert run.last.read_bytes() == before
    assert "since a step took" not in capsys.readouterr().err
