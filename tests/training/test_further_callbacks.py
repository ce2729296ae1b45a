"""Tests of the callbacks that a caller of `fcn.train` brings along."""

import json
from pathlib import Path

import keras
import pytest

import fcn
from fcn.config.file import Config
from fcn.runs.log import read_log

pytestmark = pytest.mark.usefixtures("eager")


class Diary(keras.callbacks.Callback):
    """Writes down what it is told, and ends the training after a step."""

    def __init__(self, entries: list[tuple[str, str, int]], name: str, last_step: int) -> None:
        super().__init__()
        self.entries = entries
        self.name = name
        self.last_step = last_step

    def note(self, what: str) -> None:
        self.entries.append((self.name, what, int(self.model.optimizer.iterations)))

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.note("begin")

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.note("step")
        if int(self.model.optimizer.iterations) == self.last_step:
            self.model.stop_training = True

    def on_train_end(self, logs: dict | None = None) -> None:
        self.note("end")


@pytest.mark.parametrize("last_step", [3, 4], ids=["unscored", "scored"])
def test_callbacks_are_called_in_order_and_may_end_it(dataset: Path, tmp_path: Path, last_step: int) -> None:
    config = Config.model_validate(
        {
            "data": {"root": dataset},
            "augmentation": {"crop_size": (16, 16)},
            "model": {"width": 1 / 32, "fc_channels": 16},
            "train": {"steps": 6, "log_steps": 2, "checkpoint_steps": 100, "evaluate_steps": 4},
        }
    )
    entries: list[tuple[str, str, int]] = []
    diaries = [Diary(entries, name, last_step) for name in ("first", "second")]
    result = fcn.train(config, tmp_path / "run", callbacks=diaries)
    told = [("begin", 0), *(("step", step) for step in range(1, last_step + 1)), ("end", last_step)]
    assert entries == [(name, what, step) for what, step in told for name in ("first", "second")]

    scored = [int(row["step"]) for row in read_log(result.run.log) if row["mean_iou"]]
    assert scored == [last_step]
    assert json.loads(result.run.scores.read_text())["step"] in scored
    assert "Best checkpoint, on 3 images" in result.run.report.read_text()
    assert 'id="reload"' not in result.run.report.read_text()


@pytest.mark.slow
def test_what_a_callback_ended_goes_on_with_resume(dataset: Path, tmp_path: Path) -> None:
    config = Config.model_validate(
        {
            "data": {"root": dataset},
            "augmentation": {"crop_size": (16, 16)},
            "model": {"width": 1 / 32, "fc_channels": 16},
            "train": {"steps": 4, "log_steps": 1, "evaluate_steps": 100},
        }
    )
    entries: list[tuple[str, str, int]] = []
    fcn.train(config, tmp_path / "run", callbacks=[Diary(entries, "first", last_step=2)])
    result = fcn.train(config, tmp_path / "run", resume=True)
    assert [int(row["step"]) for row in read_log(result.run.log) if row["loss"]] == [1, 2, 3, 4]
    assert [int(row["step"]) for row in read_log(result.run.log) if row["mean_iou"]] == [2, 4]


def settings(root: Path, **train_values) -> dict[str, dict]:
    return {
        "data": {"root": root},
        "augmentation": {"crop_size": [16, 16]},
        "model": {"width": 1 / 32, "fc_channels": 8},
        "train": {
            "steps": 8,
            "evaluate_steps": 2,
            "checkpoint_steps": 100,
            "learning_rate": 0.01,
            **train_values,
        },
    }


class Epochs(keras.callbacks.Callback):
    """Keeps the numbers of epochs and what is said at their ends."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[int] = []
        self.ended: dict[int, dict[str, float]] = {}

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.started.append(epoch)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.ended[epoch] = dict(logs or {})


@pytest.mark.slow
def test_an_epoch_of_a_callback_lies_between_two_validations(dataset: Path, tmp_path: Path) -> None:
    epochs, further = Epochs(), Epochs()
    run = fcn.train(settings(dataset, steps=5, accumulate=1), tmp_path / "run", callbacks=[epochs]).run
    assert epochs.started == [0, 1, 2] == list(epochs.ended)
    rows = {int(row["step"]): row for row in read_log(run.log) if row["mean_iou"]}
    assert list(rows) == [2, 4, 5]
    for row, logs in zip(rows.values(), epochs.ended.values(), strict=True):
        assert logs["val_mean_iou"] == pytest.approx(float(row["mean_iou"]))
        assert logs["val_pixel_accuracy"] == pytest.approx(float(row["pixel_accuracy"]))
        assert logs["loss"] > 0
    fcn.train(None, run.path, resume=True, callbacks=[further], overrides=["train.steps=7"])
    assert further.started == [2, 3] == list(further.ended)


@pytest.mark.slow
def test_keras_own_callbacks_stop_and_keep_by_the_score(dataset: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.keras"
    callbacks = [
        keras.callbacks.EarlyStopping("val_mean_iou", mode="max", patience=2),
        keras.callbacks.ModelCheckpoint(kept, "val_mean_iou", mode="max", save_best_only=True),
    ]
    # A rate of nearly nothing: the score never changes.
    config = settings(dataset, steps=40, learning_rate=1e-30)
    epochs = Epochs()
    result = fcn.train(config, tmp_path / "run", callbacks=[*callbacks, epochs])
    assert epochs.started == [0, 1, 2] == list(epochs.ended)
    assert [row["step"] for row in read_log(result.run.log) if row["mean_iou"]] == ["2", "4", "6"]
    assert fcn.load_model(kept).class_names == result.classes.names
