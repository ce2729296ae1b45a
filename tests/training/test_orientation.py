"""Trainings on images with an EXIF orientation: upright, and not resumed from stored pixels."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from fcn.cli.main import main
from fcn.config.file import Config
from fcn.data.image_io import read_image
from fcn.errors import RunError
from fcn.runs.model_file import RunFolder, load_state
from fcn.training.checked_data import read_checked
from fcn.training.loop import TrainingResult, train
from fcn.training.run_check import check_orientation

pytestmark = pytest.mark.usefixtures("eager")


def configured(root: Path, steps: int = 1, label_orientation: str = "upright") -> Config:
    return Config.model_validate(
        {
            "data": {"root": root, "label_orientation": label_orientation},
            "augmentation": {"crop_size": (16, 16)},
            "model": {"width": 1 / 32, "fc_channels": 8},
            "train": {"steps": steps, "checkpoint_steps": 1, "evaluate_steps": steps},
        }
    )


def turn(root: Path, name: str, orientation: int) -> None:
    """Gives an image of a data set an EXIF orientation."""
    path, exif = root / "JPEGImages" / f"{name}.jpg", Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(read_image(path)).save(path, exif=exif, quality=95)


def as_before(path: Path) -> None:
    """Makes a checkpoint one of an older version, which knew neither the order nor the images."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    state = json.loads(parts["training.json"])
    assert state.pop("pixel_order") == "upright"
    state |= dict.fromkeys(("data", "labels", "val_images", "val_labels"), "")
    parts["training.json"] = json.dumps(state).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


@pytest.fixture(scope="module")
def before(make_dataset, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """A run of an older version."""
    folder = tmp_path_factory.mktemp("before")
    root = make_dataset(folder / "data", {"train": ["a", "b", "c"], "val": ["x"]}, sizes=((20, 26),))
    result = train(configured(root), folder / "run")
    for path in result.run.checkpoints():
        as_before(path)
    return result


@pytest.fixture
def place(before: TrainingResult, tmp_path: Path) -> Path:
    """A copy of the run of an older version, and of its data."""
    shutil.copytree(before.run.path.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_a_run_of_before_is_resumed_if_no_training_image_is_turned(place: Path) -> None:
    turn(place / "data", "x", 3)
    before = RunFolder(place / "run")
    check_orientation(before, configured(place / "data", 2))
    assert "pixel_order" not in load_state(before.last)


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_run_of_before_on_turned_images_is_not_resumed(orientation: int, place: Path) -> None:
    for name in "ab":
        turn(place / "data", name, orientation)
    # The labels of orientation 6 do not fit, which is not the cause.
    with pytest.raises(RunError, match=r"older version, which did not apply EXIF orientation\. 2 of its 3"):
        train(configured(place / "data"), place / "run", resume=True)


@pytest.mark.slow
def test_a_new_run_on_turned_images_is_resumed(place: Path) -> None:
    turn(place / "data", "a", 6)
    config = configured(place / "data", label_orientation="stored")
    result = train(config, place / "new")
    state = load_state(result.run.last)
    assert state["pixel_order"] == "upright"
    again = train(config, place / "new", resume=True)
    assert again.evaluation.scores.mean_iou == result.evaluation.scores.mean_iou
    check_orientation(again.run, config)


def test_labels_that_may_be_of_stored_pixels_are_warned_of(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = place / "data"
    digest = read_checked(configured(root).data).digests.train
    assert "Warning" not in capsys.readouterr().err
    turn(root, "x", 3)
    assert read_checked(configured(root).data).digests.train == digest
    assert "Warning: 1 images are turned" in capsys.readouterr().err
    turn(root, "a", 3)
    assert read_checked(configured(root, label_orientation="stored").data).digests.train != digest
    assert "Warning" not in capsys.readouterr().err


def run(command: list[str]) -> object:
    with pytest.raises(SystemExit) as stopped:
        main(command)
    return stopped.value.code


@pytest.mark.slow
def test_evaluate_takes_labels_of_stored_pixels(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turn(place / "data", "x", 6)
    command = ["evaluate", str(place / "run"), "--data", str(place / "data"), "--output", str(tmp_path / "s")]
    assert run(command) == 2
    message = capsys.readouterr().err
    assert "EXIF orientation 6 turns it" in message
    assert run([*command, "--label-orientation", "stored"]) == 0
    assert np.isfinite(json.loads((tmp_path / "s").read_text())["mean_iou"])
    # As the run was trained, if this is its data set.
    config = configured(place / "data", label_orientation="stored")
    (place / "run" / "config.yaml").write_text(config.to_yaml())
    capsys.readouterr()
    assert run([*command[:-1], str(tmp_path / "own")]) == 0
    assert (tmp_path / "own").read_text() == (tmp_path / "s").read_text()
    assert "taken as upright" not in capsys.readouterr().err
    # Of a data set at another place that is not known, which is said.
    moved = shutil.move(place / "data", tmp_path / "moved")
    turn(moved, "a", 3)
    command = ["evaluate", str(place / "run"), "--data", str(moved), "--split", "train"]
    command += ["--output", str(tmp_path / "t")]
    assert run(command) == 0
    errors = capsys.readouterr().err
    assert f"The labels of {moved} are taken as upright; if they are of stored pixels, add" in errors
    assert "1 images are turned by their EXIF orientation" in errors
    assert json.loads((tmp_path / "t").read_text())["warnings"][-1].startswith("1 images are turned")
    assert run([*command, "--label-orientation", "stored"]) == 0
    assert "upright" not in capsys.readouterr().err
