"""Trainings with a teacher: what is refused, what is recorded, and that they resume exactly."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from taught_training import NAMES, configured, stored
from thin_training import CrashAt

from fcn.data.voc import read_classes
from fcn.errors import DataError, RunError
from fcn.runs.digests import read_record
from fcn.runs.log import read_log
from fcn.runs.model_file import RunFolder, load_state
from fcn.training import precision
from fcn.training.changes import changed_learning, refused_changes
from fcn.training.loop import TrainingResult, train
from fcn.training.teacher import _digest, load_teacher

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def teacher(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a trained net, which has seen the validation images."""
    from conftest import build_thin_net

    run = RunFolder(tmp_path_factory.mktemp("teacher") / "large")
    run.best.parent.mkdir(parents=True)
    config = configured(dataset, None, {"data": {"root": dataset, "train_split": "val"}})
    run.config.write_text(config.to_yaml())
    build_thin_net(32, class_names=NAMES, batch_normalization=True).save(run.best)
    return run.path


@pytest.fixture(scope="module")
def small(dataset: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return train(configured(dataset, teacher), tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture
def finished(small: TrainingResult) -> RunFolder:
    return small.run


@pytest.mark.exhaustive  # test_unlabeled.py has the same with images without labels
def test_a_killed_training_goes_on_exactly(
    finished: RunFolder,
    dataset: Path,
    teacher: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = RunFolder(tmp_path / "killed")
    moved = shutil.copytree(teacher, tmp_path / "moved")
    with pytest.raises(KeyboardInterrupt):
        train(configured(dataset, teacher), run.path, callbacks=[CrashAt(6)])  # in the last step
    train(configured(dataset, moved), run.path, resume=True)
    errors = capsys.readouterr().err
    assert f"Teacher: {moved}, fcn32s, " in errors
    assert "loss.distillation=1 at temperature 2." in errors
    assert [row["loss"] for row in read_log(run.log)] == [row["loss"] for row in read_log(finished.log)]
    assert load_state(run.last) == load_state(finished.last)
    expected, found = stored(finished.last), stored(run.last)
    assert sum(name.startswith("optimizer") for name in expected) > 25
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.mark.slow
def test_another_teacher_is_refused(
    finished: RunFolder,
    dataset: Path,
    teacher: Path,
    thin_net,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = shutil.copytree(finished.path, tmp_path / "run")
    other = tmp_path / "other.keras"
    thin_net(32, class_names=NAMES, seed=1).save(other)
    with pytest.raises(RunError, match=r"another teacher than train\.teacher=.*other\.keras is now"):
        train(configured(dataset, other, steps=6), run, resume=True)
    with pytest.raises(RunError, match=r"started with another configuration \(train\.teacher: .* -> None\)"):
        train(configured(dataset, None, steps=6), run, resume=True)
    # A finished training needs none, and keeps the one that it had.
    recorded = json.loads(finished.environment.read_text())["teacher"]
    assert train(configured(dataset, tmp_path / "gone"), run, resume=True).run.path == run
    assert json.loads(RunFolder(run).environment.read_text())["teacher"] == recorded
    assert RunFolder(run).load_config().train.teacher == str(teacher)
    assert f"train.teacher stays {teacher}, from which all steps were learned" in capsys.readouterr().err
    assert not RunFolder(run).changes.exists()
    # Nor does one that ended by train.patience: its best score is that before its last.
    log = RunFolder(run).log
    rows = read_log(log)
    rows[1] |= {"pixel_accuracy": "1.0", "mean_iou": "1.0"}  # of step 2
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows), ""]
    log.write_text("\n".join(lines))
    gone = configured(dataset, tmp_path / "gone", steps=8, patience=1)
    assert train(gone, run, resume=True).run.path == run
    assert [int(row["step"]) for row in read_log(log)][-1] == 4
    assert "has ended: mean IoU has not risen for 1 validation" in capsys.readouterr().err


@pytest.mark.slow
def test_the_run_records_its_teacher(small: TrainingResult, finished: RunFolder, teacher: Path) -> None:
    # Scores of zero cost log(3) by the labels.
    assert float(read_log(finished.log)[0]["loss"]) > math.log(3) + 0.001
    assert finished.load_config().train.teacher == str(teacher)
    digest = load_state(finished.last)["teacher"]
    assert json.loads(finished.environment.read_text())["teacher"] == {"net": str(teacher), "digest": digest}
    record = read_record(finished.digests)
    assert record is not None
    assert [(one.run, one.split) for one in record.earlier] == [(str(teacher), "val")]
    # What the teacher was trained on counts as what the net has seen.
    (warning,) = small.warnings
    assert f"nets it starts or learns from may make scores too good: {teacher} was trained on 3" in warning


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        ("runs/none", "runs/none: no such model"),
        ("fcn8s_voc", "Did you mean the published net fcn8s-voc"),
        ("empty", "holds no model"),
    ],
)
def test_a_missing_teacher_is_said_before_the_data_are_read(
    teacher: str, message: str, make_dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    root = make_dataset(tmp_path / "data", {"train": ["a"], "val": ["x"]})
    (root / "JPEGImages" / "a.jpg").write_bytes(b"damaged")
    with pytest.raises(RunError, match=message):
        train(configured(root, teacher), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(DataError, match=r"a\.jpg"):
        train(configured(root, None), tmp_path / "run")


@pytest.mark.parametrize(
    ("options", "bits", "message"),
    [
        (
            {"class_names": ("ground", "dog", "cat")},
            None,
            "labels the classes ground, dog, cat; the data set",
        ),
        ({"awake": False}, None, "its score layers are not trained.*model.weights="),
        ({"bits": 12}, None, "was trained on images of 12 bits. Received: data.bits=None. Set it to 12"),
        ({}, 12, "was trained on images of 16 bits. Received: data.bits=12. Set it to 16"),
    ],
)
def test_a_teacher_of_another_question_is_refused(
    options: dict, bits: int | None, message: str, thin_net, dataset: Path, tmp_path: Path
) -> None:
    path = tmp_path / "net.keras"
    thin_net(32, **{"class_names": NAMES, **options}).save(path)
    config = configured(dataset, path, {"data": {"root": dataset, "bits": bits}})
    with pytest.raises(RunError, match=message):
        load_teacher(str(path), config, read_classes(dataset))


def test_a_teacher_computes_in_bfloat16_where_that_is_faster(
    thin_net, dataset: Path, rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.keras"
    thin_net(8, class_names=NAMES).save(path)
    config, classes = configured(dataset, path), read_classes(dataset)
    images = rng.integers(0, 256, (1, 32, 32, 3)).astype(np.float32)
    found = {}
    for name, instructions, changed in (
        ("low", ("avx512_bf16",), {}),
        ("without", (), {}),
        ("whole", ("avx512_bf16",), {"crop_size": None}),
    ):
        monkeypatch.setattr(precision, "bfloat16_instructions", lambda flags=instructions: flags)
        found[name] = load_teacher(str(path), config.with_values("augmentation", **changed), classes)
    computed = {name: one.net.get_layer("fc6").compute_dtype for name, one in found.items()}
    assert computed == {"low": "bfloat16", "without": "float32", "whole": "float32"}
    assert " on the same crops in bfloat16; loss." in found["low"].describe(config)
    assert " on the same crops; loss." in found["whole"].describe(config)
    # Weights, what they are told apart by, and the nets after it stay as they are.
    assert found["low"].net.get_layer("fc6").kernel.dtype == "float32"
    assert len({one.digest for one in found.values()}) == 1
    assert thin_net(32).get_layer("fc6").compute_dtype == "float32"
    low, exact = (np.asarray(found[name].net(images)) for name in ("low", "without"))
    assert low.dtype == np.float32
    assert 0 < np.abs(low - exact).max() < 0.05 * np.abs(exact).max()


def test_the_digest_is_of_what_a_net_computes(thin_net) -> None:
    nets = [
        thin_net(32, **options) for options in ({}, {"name": "another"}, {"seed": 1}, {"input_scale": 0.5})
    ]
    digests = [_digest(net) for net in nets]
    assert digests[0] == digests[1]
    assert len({*digests}) == 3
    calibrated = type(nets[0]).from_config(nets[0].get_config() | {"temperatures": (2.0,)})
    calibrated.set_weights(nets[0].get_weights())
    assert _digest(calibrated) == digests[0]  # its scores are the same, so a student may go on


def test_a_teacher_may_be_moved_but_not_added() -> None:
    none, one, other = (configured(Path("data"), name) for name in (None, "runs/a", "runs/b"))
    assert refused_changes(one, other) == changed_learning(one, other) == []
    assert refused_changes(none, one) == ["train.teacher: None -> runs/a"]
    assert changed_learning(one, none) == ["train.teacher: runs/a -> None"]
