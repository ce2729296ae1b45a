"""Whether scored images are those that temperatures were fitted to, as files of nets and exports say."""

import json
import zipfile
from pathlib import Path

import pytest

from fcn.evaluation.fitted_images import describe_fitted

RECORD = {"data": "shots", "split": "val", "fitted_images": 51}


def keras_file(folder: Path, text: str) -> Path:
    path = folder / "run" / "checkpoints" / "best.keras"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("calibration.json", text)
    return path


def exported(folder: Path, text: str) -> Path:
    version = folder / "exported" / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").touch()
    (version / "calibration.json").write_text(text)
    return version


def test_a_split_that_was_fitted_to_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    best, version = (make(tmp_path, json.dumps(RECORD)) for make in (keras_file, exported))
    for model in (best, best.parents[1], version, version.parent):
        for root in (Path("shots"), tmp_path / "shots"):
            told = describe_fitted(model, root, "val")
            assert told is not None
            assert told.startswith("Half of these images were fitted to: ")
            assert f"from 51 images of val of {root}." in told
        assert describe_fitted(model, Path("shots"), "test") is None
        assert describe_fitted(model, Path("others"), "val") is None


@pytest.mark.parametrize("text", ["", "7", "[]", "{}", '{"data": 7, "split": "val"}', '{"data": "shots"}'])
def test_a_damaged_record_says_nothing(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for make in (keras_file, exported):
        assert describe_fitted(make(tmp_path, text), Path("shots"), "val") is None


def test_a_net_without_a_record_says_nothing(tmp_path: Path) -> None:
    path = keras_file(tmp_path, "")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    version = exported(tmp_path, "")
    (version / "calibration.json").unlink()
    assert (
        describe_fitted(path, Path("shots"), "val") is describe_fitted(version, Path("shots"), "val") is None
    )
