"""Trainings that go on after something went wrong: damaged, unreadable, half written or stopped midway."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from older_checkpoint import without
from thin_training import StopAt, arrays, thin_config

from fcn.config.file import Config
from fcn.errors import RunError
from fcn.runs.log import read_log
from fcn.runs.model_file import RunFolder, load_state
from fcn.training.checkpoint import damage, find_checkpoint
from fcn.training.loop import TrainingResult, train

pytestmark = pytest.mark.usefixtures("eager")


def configured(root: Path, **train_values) -> Config:
    return thin_config(
        root,
        {
            "steps": 4,
            "batch_size": 4,
            "accumulate": 2,
            "learning_rate": 0.05,
            "log_steps": 3,
            "checkpoint_steps": 2,
            "evaluate_steps": 4,
            "ema": 0.9,
            **train_values,
        },
    )


@pytest.fixture(scope="module")
def finished(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return train(configured(dataset), tmp_path_factory.mktemp("runs") / "finished")


def losses(run: RunFolder) -> list[str]:
    return [row["loss"] for row in read_log(run.log) if row["loss"]]


def break_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def test_a_stop_within_a_step_waits_for_its_end(finished, dataset: Path, tmp_path: Path) -> None:
    first = train(configured(dataset), tmp_path / "run", callbacks=[StopAt(batch=4)])
    assert load_state(first.run.last)["step"] == 3
    again = train(configured(dataset), tmp_path / "run", resume=True)
    assert losses(again.run) == losses(finished.run)
    for one, other in zip(arrays(finished.run.last), arrays(again.run.last), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_the_checkpoint_before_a_damaged_one_takes_over(
    finished, dataset: Path, tmp_path: Path, capsys
) -> None:
    train(configured(dataset), tmp_path / "run", callbacks=[StopAt(batch=5)])
    run = RunFolder(tmp_path / "run")
    assert [load_state(path)["step"] for path in run.checkpoints()] == [3, 2]
    break_bit(run.last)
    damaged = run.last.read_bytes()
    again = train(configured(dataset), run.path, resume=True)
    assert "trying the checkpoint before it" in capsys.readouterr().err
    assert run.last.with_suffix(".damaged").read_bytes() == damaged
    assert losses(again.run) == losses(finished.run)
    for one, other in zip(arrays(finished.run.last), arrays(run.last), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_checkpoint_that_cannot_be_read_is_left_alone(finished, tmp_path: Path, monkeypatch) -> None:
    before = {path: path.read_bytes() for path in finished.run.checkpoints()}
    whole = zipfile.ZipFile

    def broken(path: Path, *arguments, **options) -> zipfile.ZipFile:
        if path == finished.run.last:
            raise OSError(5, "Input/output error")
        return whole(path, *arguments, **options)

    monkeypatch.setattr("fcn.training.checkpoint.zipfile.ZipFile", broken)
    with pytest.raises(RunError, match=r"last\.keras: cannot be read \(Input/output error\)"):
        find_checkpoint(finished.run)
    assert {path: path.read_bytes() for path in finished.run.checkpoints()} == before


def test_any_damage_is_found(finished, tmp_path: Path) -> None:
    whole = finished.run.last.read_bytes()
    path = tmp_path / "last.keras"
    path.write_bytes(whole)
    assert damage(path) is None
    rng = np.random.default_rng(0)
    # Also in the directory at the end, where a bit can make a member encrypted or unknown.
    for place in [*rng.integers(0, len(whole), 40), *range(len(whole) - 400, len(whole), 7)]:
        content = bytearray(whole)
        content[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(content)
        problem = damage(path)
        assert problem is None or len(problem) > 3
    for length in (0, 1000, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:length])
        assert damage(path)


@pytest.mark.slow
def test_a_finished_run_without_its_best_is_scored_again(dataset: Path, tmp_path: Path, capsys) -> None:
    run = train(configured(dataset), tmp_path / "run").run
    before = arrays(run.best)
    break_bit(run.best)
    train(configured(dataset), run.path, resume=True)
    assert "best.keras: is damaged" in capsys.readouterr().err
    for one, other in zip(before, arrays(run.best), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_start_that_was_killed_starts_over(dataset: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.environment.write_text("{}")
    (run.path / ".0123.tmp.yaml").write_text("half")
    run.lock.write_text("process 1 on a machine that lost power")
    result = train(configured(dataset, steps=1), run.path, resume=True)
    assert result.run.best.exists()
    assert not list(run.path.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("keys", [pytest.param(("data",), marks=pytest.mark.exhaustive), ("data", "scores")])
def test_an_older_checkpoint_goes_on_and_says_what_it_lacks(
    keys: tuple[str, ...], finished, dataset: Path, tmp_path: Path, capsys
) -> None:
    run = train(configured(dataset), tmp_path / "run", callbacks=[StopAt(batch=5)]).run
    assert "could not be checked" not in capsys.readouterr().err
    without(run.last, *keys)
    train(configured(dataset), run.path, resume=True)
    assert capsys.readouterr().err.count("could not be checked, since the checkpoint was written by") == 1
    assert load_state(run.last)["data"] == load_state(finished.run.last)["data"]
    assert losses(run) == losses(finished.run)
    for one, other in zip(arrays(finished.run.last), arrays(run.last), strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_training_images_are_refused_on_resume(make_dataset, tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "data", {"train": ["a", "b", "c", "d"], "val": ["x"]})
    run = train(configured(root, steps=1), tmp_path / "run").run
    listed = root / "ImageSets" / "Segmentation" / "train.txt"
    listed.write_text("d\nc\nb\na\n")
    with pytest.raises(RunError, match="other training images, or in another order"):
        train(configured(root, steps=1), run.path, resume=True)
