"""Trainings on images with and without labels."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from taught_training import NAMES, configured, stored
from thin_training import CrashAt

from fcn.config.file import Config
from fcn.errors import RunError
from fcn.runs.digests import read_record
from fcn.runs.log import read_log
from fcn.runs.model_file import RunFolder, load_state
from fcn.training.changes import refused_changes
from fcn.training.loop import train
from fcn.training.steps import with_steps

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def photos(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of the data set, the validation images among them, without labels."""
    return shutil.copytree(dataset / "JPEGImages", tmp_path_factory.mktemp("photos") / "photos")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import build_thin_net

    path = tmp_path_factory.mktemp("teacher") / "large.keras"
    build_thin_net(32, class_names=NAMES).save(path)
    return path


def mixing(dataset: Path, teacher: Path, photos: Path, **train_values: object) -> Config:
    return configured(dataset, teacher, {"data": {"root": dataset, "unlabeled": photos}}, **train_values)


@pytest.mark.slow
def test_a_killed_training_goes_on_exactly(
    dataset: Path, teacher: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(mixing(dataset, teacher, photos), tmp_path / "whole").run
    errors = capsys.readouterr().err
    assert (
        f"Unlabeled: 4 images of {photos}, 50% of the examples. Left out, since they are scored: 3." in errors
    )
    assert "Steps: 4 of 2 images each, 1.0 epochs of the 4 training images." in errors
    record = read_record(whole.digests)
    assert record is not None
    assert record.train.images is not None
    assert (len(record.train.images), len(record.train.unlabeled)) == (4, 4)
    assert json.loads(whole.scores.read_text())["training"]["num_images"] == 4
    run = RunFolder(tmp_path / "killed")
    moved = shutil.copytree(photos, tmp_path / "moved")
    moved_teacher = shutil.copy(teacher, tmp_path / "moved.keras")
    with pytest.raises(KeyboardInterrupt):
        train(mixing(dataset, teacher, photos), run.path, callbacks=[CrashAt(6)])
    stopped = shutil.copytree(run.path, tmp_path / "stopped")
    train(mixing(dataset, moved_teacher, moved), run.path, resume=True)
    errors = capsys.readouterr().err
    assert f"Teacher: {moved_teacher}, fcn32s, " in errors
    assert "loss.distillation=1 at temperature 2." in errors
    assert [row["loss"] for row in read_log(run.log)] == [row["loss"] for row in read_log(whole.log)]
    assert load_state(run.last) == load_state(whole.last)
    expected, found = stored(whole.last), stored(run.last)
    assert sum(name.startswith("optimizer") for name in expected) > 25
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    (moved / "a.jpg").unlink()
    with pytest.raises(RunError, match=r"other unlabeled images, or in another order, than data\.unlabeled="):
        train(mixing(dataset, teacher, moved), stopped, resume=True)


def test_the_folder_may_be_moved_but_not_added(teacher: Path) -> None:
    one, other = (mixing(Path("data"), teacher, Path(name)) for name in ("a", "b"))
    none = configured(Path("data"), teacher)
    assert refused_changes(one, other) == []
    assert refused_changes(none, one) == ["data.unlabeled: None -> a"]


@pytest.mark.parametrize(("share", "steps"), [(0.75, 24), (0.9, 60), (0.95, 120)])
def test_an_epoch_is_a_pass_over_the_training_split(
    share: float, steps: int, dataset: Path, teacher: Path, photos: Path
) -> None:
    config = mixing(dataset, teacher, photos)
    values = {**config.values(), "train": {"epochs": 3.0, "batch_size": 2, "teacher": "x"}}
    values["data"]["unlabeled_share"] = share
    assert with_steps(Config.model_validate_json(json.dumps(values))).train.steps == steps
