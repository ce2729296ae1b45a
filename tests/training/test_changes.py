"""Trainings that are resumed with another length, size of a step or way to compute."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from thin_training import CrashAt, StopAt, arrays, thin_config

from fcn.config.file import Config
from fcn.errors import RunError
from fcn.runs.calibration_file import save_temperatures
from fcn.runs.log import read_log, scored_steps
from fcn.runs.model_file import RunFolder, load_model, load_state
from fcn.system.json_files import read_json_file
from fcn.training.changes import changed_learning, describe_changes, record_changes, refused_changes
from fcn.training.checked_data import read_checked
from fcn.training.checkpoint import Position
from fcn.training.loop import train
from fcn.training.sampling import measure_shares, open_stream

pytestmark = pytest.mark.usefixtures("eager")


def configured(root: Path, **train_values) -> Config:
    return thin_config(
        root,
        {
            "steps": 4,
            "batch_size": 4,
            "learning_rate": 0.05,
            "log_steps": 1,
            "checkpoint_steps": 2,
            "evaluate_steps": 100,
            "schedule": "poly",
            **train_values,
        },
    )


@pytest.fixture(scope="module")
def finished(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train(configured(dataset), tmp_path_factory.mktemp("runs") / "finished").run


def copied(run: RunFolder, path: Path) -> RunFolder:
    shutil.copytree(run.path, path)
    return RunFolder(path)


def rates(run: RunFolder) -> list[float]:
    return [float(row["learning_rate"]) for row in read_log(run.log) if row["learning_rate"]]


def test_a_longer_training_continues_with_the_rates_of_its_length(
    finished: RunFolder, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(finished, tmp_path / "run")
    train(configured(dataset, steps=8), run.path, resume=True)
    line = (
        "Changed from step 5 on: train.steps: 4 -> 8. The learning rate continues as in a training of 8 "
        "steps: 0.0268, after 0.0144 in the last step."
    )
    assert capsys.readouterr().err.count(line) == 1
    assert read_json_file(run.changes) == [{"step": 4, "changes": [line]}]
    assert run.load_config().train.steps == 8
    assert load_state(run.last)["step"] == 8
    fall = [
        0.05 * (1 - step / steps) ** 0.9
        for steps, first in ((4, 0), (8, 4))
        for step in range(first, first + 4)
    ]
    assert rates(run) == pytest.approx(fall)
    assert [row["step"] for row in read_log(run.log) if row["mean_iou"]] == ["4", "8"]


@pytest.mark.slow
def test_a_longer_training_that_is_killed_ends_with_the_same_weights(
    finished: RunFolder, dataset: Path, tmp_path: Path
) -> None:
    whole, killed = (copied(finished, tmp_path / name) for name in ("whole", "killed"))
    wanted = configured(dataset, steps=8, batch_size=2)
    train(wanted, whole.path, resume=True)
    with pytest.raises(KeyboardInterrupt):
        train(wanted, killed.path, resume=True, callbacks=[CrashAt(2)])
    assert load_state(killed.last)["step"] == 6
    train(wanted, killed.path, resume=True)
    assert len(read_json_file(killed.changes)) == 1
    for one, other in zip(arrays(whole.last), arrays(killed.last), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.exhaustive
def test_a_constant_rate_makes_a_longer_training_the_same_as_one_of_that_length(
    dataset: Path, tmp_path: Path
) -> None:
    short, long = (configured(dataset, steps=steps, schedule="constant") for steps in (2, 4))
    run = train(short, tmp_path / "run").run
    train(long, run.path, resume=True)
    other = train(long, tmp_path / "other").run
    for one, two in zip(arrays(run.last), arrays(other.last), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.slow
def test_steps_of_another_size_take_the_images_that_were_next(
    finished: RunFolder, dataset: Path, tmp_path: Path
) -> None:
    before, after = configured(dataset), configured(dataset, steps=6, batch_size=2)
    data = read_checked(before.data)
    stream = open_stream(before, data, Position(0))
    changed = open_stream(after, data, Position(4, examples=16))
    for number in range(4):  # step 5 begins with item 4 x 2 of the changed stream
        for one, other in zip(stream[16 + number], changed[8 + number], strict=True):
            np.testing.assert_array_equal(one, other)
    run = copied(finished, tmp_path / "run")
    train(after, run.path, resume=True)
    assert load_state(run.last)["examples"] == 4 * 4 + 2 * 2


def test_fewer_steps_than_were_taken_are_refused(finished: RunFolder, dataset: Path) -> None:
    before = finished.config.read_bytes()
    with pytest.raises(RunError, match=r"has taken 4 steps already\. .*=3\. To end it here: .*\.steps=4"):
        train(configured(dataset, steps=3), finished.path, resume=True)
    assert finished.config.read_bytes() == before
    assert not finished.changes.exists()


@pytest.mark.parametrize("content", [b"[", b"{}", b"[" * 10_000, b"[]"])
def test_a_damaged_record_of_changes_is_replaced(
    content: bytes, finished: RunFolder, dataset: Path, tmp_path: Path
) -> None:
    run = copied(finished, tmp_path / "run")
    run.changes.write_bytes(content)
    record_changes(run, run.load_config(), configured(dataset, log_steps=2), 4)
    assert read_json_file(run.changes) == [{"step": 4, "changes": ["Changed: train.log_steps: 1 -> 2."]}]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (
            "accumulate",
            2,
            "Changed from step 3 on: train.accumulate: 1 -> 2. Each part of a batch has its own",
        ),
        ("batch_size", 8, "Changed from step 3 on: train.batch_size: 4 -> 8. The next images are those"),
        ("devices", 2, "Changed from step 3 on: train.devices: 1 -> 2. Each part of a batch has its own"),
        ("evaluate_steps", 7, "Changed: train.evaluate_steps: 100 -> 7."),
        ("checkpoint_steps", 7, "Changed: train.checkpoint_steps: 2 -> 7."),
    ],
)
def test_what_may_change_is_said_in_a_line(key: str, value: int, said: str) -> None:
    saved, wanted = configured(Path("data")), configured(Path("data"), **{key: value})
    assert refused_changes(saved, wanted) == []
    (line,) = describe_changes(saved, wanted, 2)
    assert line.startswith(said)


def test_the_rate_of_a_longer_training_with_a_constant_rate_is_said() -> None:
    saved, wanted = (configured(Path("data"), steps=steps, schedule="constant") for steps in (4, 8))
    assert describe_changes(saved, wanted, 4) == [
        "Changed from step 5 on: train.steps: 4 -> 8. The learning rate is constant, so that this is as if "
        "it had been set from the start."
    ]


@pytest.mark.parametrize(
    ("key", "value"), [("learning_rate", 0.1), ("ema", 0.9), ("optimizer", "adamw"), ("seed", 1)]
)
def test_what_may_not_change_is_refused(key: str, value: object, finished: RunFolder, dataset: Path) -> None:
    wanted = configured(dataset, **{key: value})
    (text,) = refused_changes(configured(dataset), wanted)
    assert text.startswith(f"train.{key}: ")
    assert describe_changes(configured(dataset), wanted, 4) == []
    with pytest.raises(RunError, match=r"overrides=\[.model\.weights=") as caught:
        train(wanted, finished.path, resume=True)
    assert text in str(caught.value)


def test_a_kept_training_of_a_comparison_has_the_same_length() -> None:
    saved = configured(Path("data"))
    assert changed_learning(saved, configured(Path("data"), steps=5)) == ["train.steps: 4 -> 5"]
    assert changed_learning(saved, configured(Path("elsewhere"), devices=2, log_steps=5)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after", "optimizer"),
    [
        (1, 2, "sgd"),
        (2, 4, "adamw"),
        *(
            pytest.param(*parts, optimizer, marks=pytest.mark.exhaustive)
            for parts in ((1, 2), (2, 1), (2, 4))
            for optimizer in ("sgd", "adamw")
        ),
    ],
)
def test_a_batch_in_other_parts_continues_with_the_same_optimizer(
    before: int, after: int, optimizer: str, dataset: Path, tmp_path: Path
) -> None:
    """Without dropout, and with a sum as the loss, the parts make no difference but in rounding."""

    def wanted(accumulate: int, steps: int) -> Config:
        found = configured(
            dataset, accumulate=accumulate, steps=steps, learning_rate=1e-6, optimizer=optimizer, ema=0.5
        )
        model = found.model.model_copy(update={"dropout": 0.0})
        loss = found.loss.model_copy(update={"reduction": "sum"})
        return found.model_copy(update={"model": model, "loss": loss})

    run = train(wanted(before, 2), tmp_path / "run", callbacks=[StopAt(before - 1)]).run
    assert load_state(run.last)["step"] == 1
    train(wanted(after, 2), run.path, resume=True)
    whole = train(wanted(before, 2), tmp_path / "whole").run
    assert load_state(run.last)["accumulate"] == after
    for one, other in zip(arrays(run.last), arrays(whole.last), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_a_larger_batch_of_balanced_examples_measures_the_same_shares(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def wanted(batch_size: int, steps: int) -> Config:
        found = configured(dataset, batch_size=batch_size, steps=steps)
        return found.model_copy(update={"data": found.data.model_copy(update={"sampling": "balanced"})})

    run = train(wanted(1, 2), tmp_path / "run").run
    train(wanted(4, 3), run.path, resume=True)
    assert load_state(run.last)["examples"] == 2 + 4
    data = read_checked(wanted(4, 3).data)
    position = Position(2, examples=2)
    streams = [open_stream(wanted(4, 3), data, at) for at in (position, Position(0))]
    shares = [measure_shares(wanted(4, 3), stream, data.classes) for stream in streams]
    assert shares[0] is not None
    assert shares[1] is not None
    np.testing.assert_array_equal(shares[0].drawn, shares[1].drawn)


def test_a_run_of_an_older_version_has_as_many_examples_as_its_steps(dataset: Path) -> None:
    config = configured(dataset, batch_size=2)
    stream = open_stream(config, read_checked(config.data), Position(4), batch_size=8)
    assert stream.skipped == 4 * 8 - 4 * 2


@pytest.mark.slow
def test_a_training_may_end_where_it_is(dataset: Path, tmp_path: Path) -> None:
    run = train(configured(dataset, evaluate_steps=2), tmp_path / "run", callbacks=[StopAt(2)]).run
    run.log.write_text("\n".join(run.log.read_text().splitlines()[:-1]) + "\n")  # its last row is of scores
    assert load_state(run.last)["step"] == 3
    train(configured(dataset, evaluate_steps=2, steps=3), run.path, resume=True)
    assert scored_steps(run.log) == {2, 3}
    assert read_json_file(run.changes)[0]["changes"] == ["Changed: train.steps: 4 -> 3."]


def test_a_summed_loss_grows_with_the_batch() -> None:
    saved, wanted = (configured(Path("data"), batch_size=size) for size in (4, 8))
    loss = saved.loss.model_copy(update={"reduction": "sum"})
    saved, wanted = (config.model_copy(update={"loss": loss}) for config in (saved, wanted))
    (line,) = describe_changes(saved, wanted, 2)
    assert line.endswith("The loss is a sum, so that a step is 2 times as large.")


def test_a_calibrated_run_is_resumed_as_if_it_were_not(
    finished: RunFolder, dataset: Path, tmp_path: Path
) -> None:
    plain, calibrated = (copied(finished, tmp_path / name) for name in ("plain", "calibrated"))
    for path in (calibrated.last, calibrated.best):
        save_temperatures(path, [1.5], {"fitted_images": 3})
        assert load_model(path).temperatures == (1.5,)
    for run in (plain, calibrated):
        train(configured(dataset, steps=5), run.path, resume=True)
    for one, other in zip(arrays(plain.last), arrays(calibrated.last), strict=True):
        np.testing.assert_array_equal(one, other)
    assert load_model(calibrated.last).temperatures is None  # of other weights
    assert [row["loss"] for row in read_log(plain.log)] == [row["loss"] for row in read_log(calibrated.log)]
