"""When a training ends: after a number of epochs, or when its score stalls."""

import csv
import re
from pathlib import Path

import pytest

from fcn.config.file import Config, load_config
from fcn.errors import ConfigError, DataError
from fcn.evaluation.evaluate import evaluate_examples
from fcn.runs.folder import RunFolder
from fcn.runs.log import COLUMNS, scored_steps
from fcn.runs.progress import finished_step, has_ended_at, validations_without_rise
from fcn.training.loop import train
from fcn.training.steps import describe_epochs, with_steps


def configured(root: Path, **train_values) -> Config:
    return Config.model_validate(
        {
            "data": {"root": root},
            "augmentation": {"crop_size": (16, 16)},
            "model": {"width": 1 / 32, "fc_channels": 8, "dropout": 0},
            # A rate of nearly nothing: labels, and with them the score, never change.
            "train": {"batch_size": 2, "learning_rate": 1e-30, "evaluate_steps": 2, **train_values},
        }
    )


def write_log(path: Path, scores: list[str]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for step, score in enumerate(scores, start=1):
            writer.writerow({"step": step, "pixel_accuracy": 0.5, "mean_iou": score})


@pytest.mark.parametrize(
    ("scores", "count"),
    [
        ([], 0),
        (["0.5"], 0),
        (["0.5", "0.4"], 1),
        (["0.5", "0.5"], 1),
        (["0.5", "0.4", "0.6"], 0),
        (["0.5", "0.6", "0.4", "", "0.3"], 3),
        (["", ""], 1),
    ],
)
def test_validations_without_rise_are_counted(scores: list[str], count: int, tmp_path: Path) -> None:
    write_log(tmp_path / "log.csv", scores)
    assert validations_without_rise(tmp_path / "log.csv") == count


def test_a_run_has_ended_at_its_last_step_or_when_its_score_stalls(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert finished_step(run, configured(tmp_path, steps=4)) is None
    write_log(run.log, ["0.5", "0.4", "0.3", "0.2"])
    assert finished_step(run, configured(tmp_path, steps=4)) is None  # its best checkpoint is gone
    run.best.parent.mkdir()
    run.best.touch()
    assert finished_step(run, configured(tmp_path, steps=4)) == 4
    assert finished_step(run, configured(tmp_path, steps=9)) is None
    assert finished_step(run, configured(tmp_path, steps=9, patience=3)) == 4
    assert finished_step(run, configured(tmp_path, steps=9, patience=4)) is None
    # A session that resumes at step 3 removes the row of step 4.
    assert has_ended_at(run, configured(tmp_path, steps=9, patience=3), 4)
    assert not has_ended_at(run, configured(tmp_path, steps=9, patience=3), 3)
    assert has_ended_at(run, configured(tmp_path, steps=9, patience=2), 3)
    assert not has_ended_at(run, configured(tmp_path, steps=9, patience=2), 5)  # not scored yet
    assert has_ended_at(run, configured(tmp_path, steps=4), 4)


@pytest.mark.parametrize(("epochs", "steps"), [(1.0, 3), (2.0, 6), (0.1, 1), (1.1, 4)])
def test_epochs_are_rounded_up_to_steps(epochs: float, steps: int, make_dataset, tmp_path: Path) -> None:
    make_dataset(tmp_path, {"train": ["a", "b", "c", "d", "e", "f"], "val": ["v"]})
    config = with_steps(configured(tmp_path, epochs=epochs))
    assert (config.train.steps, config.train.epochs) == (steps, None)
    assert describe_epochs(configured(tmp_path, epochs=epochs), steps) == (
        f"train.epochs={epochs:g}: {steps} {'step' if steps == 1 else 'steps'} of 2 images."
    )
    assert with_steps(config) is config
    with pytest.raises(DataError):
        with_steps(configured(tmp_path / "missing", epochs=epochs))


def test_steps_and_epochs_together_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("data: {root: data}\ntrain: {steps: 9, epochs: 3}\n")
    message = re.escape("train.steps=9 and train.epochs=3: expected only one of them")
    with pytest.raises(ConfigError, match=message):
        load_config(path)
    with pytest.raises(ConfigError, match=message):
        load_config(path, ["train.epochs=3", "train.steps=9"])
    assert load_config(path, ["train.epochs=2"]).train.epochs == 2
    assert load_config(path, ["train.steps=2"]).train.steps == 2
    path.write_text(load_config(path, ["train.steps=2"]).to_yaml())
    assert load_config(path, ["train.epochs=2"]).train.epochs == 2


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_training_ends_when_its_score_stalls_and_resumes_if_that_is_wanted(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"steps": 9, "patience": 2, "accumulate": 2}
    run = train(configured(dataset, **settings), tmp_path / "run").run
    assert scored_steps(run.log) == {2, 4, 6}
    said = capsys.readouterr().err
    assert "Ends at step 6: mean IoU has not risen for 2 validations (train.patience). To continue: " in said
    assert f"fcn.train(None, '{run.path}', resume=True, overrides=['train.patience=null'])" in said
    assert run.report.exists()
    train(configured(dataset, **settings), run.path, resume=True)  # it has ended
    assert scored_steps(run.log) == {2, 4, 6}
    train(configured(dataset, **settings | {"steps": 8, "patience": None}), run.path, resume=True)
    assert scored_steps(run.log) == {2, 4, 6, 8}


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_training_of_epochs_keeps_its_steps(dataset: Path, tmp_path: Path) -> None:
    run = train(configured(dataset, epochs=0.5), tmp_path / "run").run
    settings = run.load_config().train
    assert settings.epochs is None
    assert scored_steps(run.log) >= {settings.steps}
    before = run.last.read_bytes()
    train(configured(dataset, epochs=0.5), run.path, resume=True)
    assert run.last.read_bytes() == before


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_training_that_is_killed_while_it_is_scored_ends_at_the_same_step(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import fcn.training.checkpoint_callback as callbacks

    settings, calls = {"steps": 9, "patience": 1}, []

    def killed(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate_examples(*arguments, **options)

    monkeypatch.setattr(callbacks, "evaluate_examples", killed)
    with pytest.raises(KeyboardInterrupt):
        train(configured(dataset, **settings), tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    assert scored_steps(run.log) == {2}
    train(configured(dataset, **settings), run.path, resume=True)
    assert scored_steps(run.log) == {2, 4}
    assert "has ended: mean IoU has not risen for 1 validation (train.patience). To continue" in (
        capsys.readouterr().err
    )
