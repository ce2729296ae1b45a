import csv
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from backends import assert_same_training
from eager_training import eager_training

from fcn.config.file import Config, changed_keys
from fcn.data.image_io import encode_label
from fcn.errors import DataError, NonFiniteLossError, OutputError, RunError
from fcn.evaluation.evaluate import evaluate
from fcn.runs.log import read_log
from fcn.runs.model_file import RunFolder, load_model
from fcn.training.loop import train

pytestmark = pytest.mark.slow


def configured(root: Path, **train_values) -> Config:
    """A configuration that trains in seconds."""
    return Config.model_validate(
        {
            "data": {"root": root},
            "augmentation": {"crop_size": (32, 32), "scale": (0.9, 1.1), "color_jitter": 0.1},
            "model": {"width": 1 / 32, "fc_channels": 16, "batch_normalization": True},
            "train": {
                "steps": 6,
                "batch_size": 2,
                "learning_rate": 0.05,
                "log_steps": 2,
                "checkpoint_steps": 3,
                "evaluate_steps": 4,
                **train_values,
            },
        }
    )


@pytest.fixture(scope="module")
def finished(dataset: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("runs")
    path = folder / "recipe.yaml"
    path.write_text(configured(dataset).to_yaml())
    return train(path, folder / "finished")


def test_writes_everything_a_run_holds(finished, dataset: Path) -> None:
    run = finished.run
    assert run.load_config() == configured(dataset)
    for path in (run.last, run.best, run.log, run.scores, run.report, run.environment):
        assert path.stat().st_size > 0, path
    assert list(run.events.iterdir())
    assert not list(run.path.rglob("*.tmp*"))
    rows = read_log(run.log)
    assert [row["step"] for row in rows if row["loss"]] == ["2", "4", "6"]
    assert [float(row["learning_rate"]) for row in rows if row["loss"]] == pytest.approx([0.05] * 3)
    assert [row["step"] for row in rows if row["mean_iou"]] == ["4", "6"]


def test_the_scores_are_those_of_the_best_checkpoint(finished, dataset: Path) -> None:
    document = json.loads(finished.run.scores.read_text())
    again = evaluate(finished.run.path, dataset)
    assert document["mean_iou"] == pytest.approx(again.scores.mean_iou, abs=1e-6)
    assert document["mean_iou"] == max(
        float(row["mean_iou"]) for row in read_log(finished.run.log) if row["mean_iou"]
    )
    assert (document["split"], document["num_images"]) == ("val", 3)
    assert list(document["class_iou"]) == ["ground", "cat", "dog"]


def test_a_run_that_is_there_is_not_overwritten(finished, dataset: Path) -> None:
    before = finished.run.last.read_bytes()
    with pytest.raises(RunError, match=r"Resume it with fcn\.train\(None, .*, resume=True\)"):
        train(configured(dataset), finished.run.path)
    assert finished.run.last.read_bytes() == before


def test_another_configuration_cannot_go_on(finished, dataset: Path) -> None:
    with pytest.raises(RunError, match=r"train\.learning_rate: 0\.05 -> 0\.5"):
        train(configured(dataset, learning_rate=0.5), finished.run.path, resume=True)


def test_a_folder_of_other_things_is_left_alone(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_text("")
    with pytest.raises(RunError, match="other files"):
        train(configured(dataset), tmp_path)


class Killed(keras.callbacks.Callback):
    """Ends the training the hard way after a step, as a crash would."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if int(self.model.optimizer.iterations) == self.step:
            raise InterruptedError


def test_killed_and_resumed_equals_never_killed(finished, dataset: Path, tmp_path: Path) -> None:
    config = configured(dataset)
    with pytest.raises(InterruptedError):
        train(config, tmp_path / "run", callbacks=[Killed(step=5)])
    result = train(config, tmp_path / "run", resume=True)
    assert_same_training(finished.run, result.run)
    for one, other in zip(read_log(finished.run.log), read_log(result.run.log), strict=True):
        for column in ("step", "loss", "mean_iou"):
            assert one[column] == other[column], column


def test_resuming_a_finished_run_only_reports(finished, dataset: Path) -> None:
    before = finished.run.last.read_bytes()
    finished.run.report.unlink()
    result = train(configured(dataset), finished.run.path, resume=True)
    assert result.evaluation.scores.mean_iou == pytest.approx(finished.evaluation.scores.mean_iou, abs=1e-6)
    assert finished.run.report.exists()
    assert finished.run.last.read_bytes() == before


def test_a_loss_that_is_not_finite_ends_it(dataset: Path, tmp_path: Path) -> None:
    # The step that breaks the weights still has a finite loss: what it leaves must not be kept.
    config = configured(dataset, learning_rate=1e20, steps=20, checkpoint_steps=1)
    with eager_training(), pytest.raises(NonFiniteLossError, match=r"step \d+.*learning rate"):
        train(config, tmp_path / "run")
    last = RunFolder(tmp_path / "run").last
    assert not last.exists() or all(np.isfinite(weight.numpy()).all() for weight in load_model(last).weights)


def test_a_full_disk_leaves_the_last_checkpoint_whole(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path / "run")

    def save(model: keras.Model, path: Path) -> None:
        if run.last.exists():
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        keras.saving.save_model(model, path)

    monkeypatch.setattr("fcn.models.fcn.FCN.save", save)
    with eager_training(), pytest.raises(OutputError, match="No space left"):
        train(configured(dataset, checkpoint_steps=1), run.path)
    assert load_model(run.last).name == "fcn8s"
    names = sorted(path.name for path in run.last.parent.iterdir())
    assert names == ["last.keras", "step_00000001.keras"]  # the same file under two names


def test_data_are_checked_before_anything_is_written(make_dataset, tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "data", {"train": ["a", "b"], "val": ["c"]})
    (root / "JPEGImages" / "b.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"b\.jpg: is empty"):
        train(configured(root), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_image_that_is_lost_on_the_way_is_named(make_dataset, tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "data", {"train": ["a"], "val": ["c"]})

    class Loss(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            (root / "JPEGImages" / "a.jpg").write_bytes(b"")

    message = r"a\.jpg: is empty .* resume it: fcn\.train\(None, "
    with eager_training(), pytest.raises(DataError, match=message):
        train(configured(root, steps=300, evaluate_steps=1000), tmp_path / "run", callbacks=[Loss()])


def test_resuming_with_other_classes_is_refused(finished, dataset: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(dataset, other)
    (other / "labels.txt").write_text("ground\ncat\nwolf\n")
    before = finished.run.config.read_text()
    with pytest.raises(RunError, match="wolf"):
        train(configured(other), finished.run.path, resume=True)
    assert finished.run.config.read_text() == before


def test_two_images_are_learned(make_dataset, tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "data", {"train": ["a", "b"], "val": ["c"]}, sizes=((32, 32),))
    for name in "ab":  # each image has one class in its upper half and another below
        label = np.zeros((32, 32), np.uint8)
        label[16:] = 1 if name == "a" else 2
        (root / "SegmentationClass" / f"{name}.png").write_bytes(encode_label(label))
    config = configured(
        root,
        steps=60,
        optimizer="adamw",
        learning_rate=0.02,
        log_steps=10,
        checkpoint_steps=60,
        evaluate_steps=1000,
    )
    augmentation = config.augmentation.model_copy(
        update={"scale": (1.0, 1.0), "flip": False, "color_jitter": 0.0}
    )
    result = train(config.model_copy(update={"augmentation": augmentation}), tmp_path / "run")
    losses = [float(row["loss"]) for row in read_log(result.run.log) if row["loss"]]
    assert losses[-1] < losses[0] / 10


def test_changed_keys_says_what_differs(dataset: Path) -> None:
    assert changed_keys(configured(dataset), configured(dataset, steps=7)) == ["train.steps: 6 -> 7"]


def test_log_is_plain_csv(finished) -> None:
    with finished.run.log.open(newline="") as file:
        assert all(float(row["step"]) > 0 for row in csv.DictReader(file))
