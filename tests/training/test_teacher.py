"""Trainings with a teacher: what is refused, what is recorded, and that they resume exactly."""

import json
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
from fcn.training.changes import changed_learning, refused_changes
from fcn.training.loop import train
from fcn.training.teacher import load_teacher

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def teacher(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a trained net."""
    from conftest import build_thin_net

    run = RunFolder(tmp_path_factory.mktemp("teacher") / "large")
    run.best.parent.mkdir(parents=True)
    run.config.write_text(configured(dataset, None).to_yaml())
    build_thin_net(class_names=NAMES, batch_normalization=True).save(run.best)
    return run.path


@pytest.fixture(scope="module")
def finished(dataset: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train(configured(dataset, teacher), tmp_path_factory.mktemp("runs") / "small").run


@pytest.mark.slow
def test_a_killed_training_goes_on_exactly(
    finished: RunFolder, dataset: Path, teacher: Path, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "killed")
    moved = shutil.copytree(teacher, tmp_path / "moved")
    with pytest.raises(KeyboardInterrupt):
        train(configured(dataset, teacher), run.path, callbacks=[CrashAt(6)])  # in the last step
    train(configured(dataset, moved), run.path, resume=True)
    assert [row["loss"] for row in read_log(run.log)] == [row["loss"] for row in read_log(finished.log)]
    assert load_state(run.last) == load_state(finished.last)
    expected, found = stored(finished.last), stored(run.last)
    assert sum(name.startswith("optimizer") for name in expected) > 25
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.mark.slow
def test_the_teacher_counts(finished: RunFolder, dataset: Path, tmp_path: Path) -> None:
    plain = train(configured(dataset, None), tmp_path / "plain").run
    losses = [[float(row["loss"]) for row in read_log(run.log) if row["loss"]] for run in (finished, plain)]
    assert all(one > other + 0.01 for one, other in zip(*losses, strict=True))


@pytest.mark.slow
def test_another_teacher_is_refused(
    finished: RunFolder, dataset: Path, teacher: Path, thin_net, tmp_path: Path
) -> None:
    run = shutil.copytree(finished.path, tmp_path / "run")
    other = tmp_path / "other.keras"
    thin_net(class_names=NAMES, seed=1).save(other)
    with pytest.raises(RunError, match=r"another teacher than train\.teacher=.*other\.keras is now"):
        train(configured(dataset, other, steps=6), run, resume=True)
    with pytest.raises(RunError, match=r"started with another configuration \(train\.teacher: .* -> None\)"):
        train(configured(dataset, None, steps=6), run, resume=True)
    # A finished training needs none.
    assert train(configured(dataset, tmp_path / "gone"), run, resume=True).run.path == run


@pytest.mark.slow
def test_the_run_records_its_teacher(
    finished: RunFolder, teacher: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finished.load_config().train.teacher == str(teacher)
    digest = load_state(finished.last)["teacher"]
    assert json.loads(finished.environment.read_text())["teacher"] == {"net": str(teacher), "digest": digest}
    record = read_record(finished.digests)
    assert record is not None
    assert [(one.run, one.split) for one in record.earlier] == [(str(teacher), "train")]
    # What the teacher was trained on counts as what the net has seen.
    saw_val = shutil.copytree(teacher, tmp_path / "saw_val")
    config = configured(dataset, None, {"data": {"root": dataset, "train_split": "val"}})
    (saw_val / "config.yaml").write_text(config.to_yaml())
    train(configured(dataset, saw_val, steps=1), tmp_path / "run")
    errors = capsys.readouterr().err
    assert f"Teacher: {saw_val}, fcn8s, " in errors
    assert "loss.distillation=1 at temperature 2." in errors
    assert f"{saw_val} was trained on 3 of the 3 scored images" in errors


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        ("runs/none", "runs/none: no such model"),
        ("fcn8s_voc", "Did you mean the published net fcn8s-voc"),
        ("", "holds no model"),
    ],
)
def test_a_missing_teacher_is_said_before_the_data_are_read(
    teacher: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=message):
        train(configured(tmp_path / "nowhere", teacher or "empty"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(DataError):
        train(configured(tmp_path / "nowhere", None), tmp_path / "run")


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
    thin_net(**{"class_names": NAMES, **options}).save(path)
    config = configured(dataset, path, {"data": {"root": dataset, "bits": bits}})
    with pytest.raises(RunError, match=message):
        load_teacher(str(path), config, read_classes(dataset))


@pytest.mark.slow
def test_the_digest_is_of_what_a_net_computes(thin_net, dataset: Path, tmp_path: Path) -> None:
    digests = []
    nets = [{}, {"name": "another"}, {"seed": 1}, {"input_scale": 0.5}]
    for number, options in enumerate(nets):
        path = tmp_path / f"{number}.keras"
        thin_net(class_names=NAMES, **options).save(path)
        digests.append(load_teacher(str(path), configured(dataset, path), read_classes(dataset)).digest)
    assert digests[0] == digests[1]
    assert len({*digests}) == 3


def test_a_teacher_may_be_moved_but_not_added() -> None:
    none, one, other = (configured(Path("data"), name) for name in (None, "runs/a", "runs/b"))
    assert refused_changes(one, other) == changed_learning(one, other) == []
    assert refused_changes(none, one) == ["train.teacher: None -> runs/a"]
    assert changed_learning(one, none) == ["train.teacher: runs/a -> None"]
