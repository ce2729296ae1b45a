"""Tests of calibrating a net: what is fitted, what is measured, and what is kept in its file."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from fcn.data.voc import read_example, read_split
from fcn.errors import DataError, OutputError, RunError
from fcn.evaluation.calibrate import calibrate, divide
from fcn.evaluation.calibration import CalibrationSums
from fcn.evaluation.evaluate import evaluate
from fcn.evaluation.temperature_fit import TemperatureFit
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN
from fcn.outputs.probabilities import softmax
from fcn.outputs.temperature import Temperatures
from fcn.runs.calibration_file import read_record, save_temperatures
from fcn.runs.model_file import load_model, load_state, save_checkpoint

CLASS_NAMES = ("ground", "cat", "dog")
NAMES = ["a", "b", "c", "d", "e"]


@pytest.fixture(scope="module")
def root(make_dataset: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data"), {"val": NAMES, "one": ["a"]})


@pytest.fixture(scope="module")
def saved(thin_net: Callable[..., FCN], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a net that is far too sure of itself: its labels of random pixels are chance."""
    net = thin_net(class_names=CLASS_NAMES, seed=1)
    net.compile(optimizer=keras.optimizers.SGD())
    path = tmp_path_factory.mktemp("net") / "net.keras"
    save_checkpoint(net, path, {"step": 7})
    return path


@pytest.fixture
def path(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(saved, tmp_path / "net.keras"))


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("per_class", [False, True])
def test_half_is_fitted_and_the_other_half_measured(path: Path, root: Path, per_class: bool) -> None:
    plain = Predictor(path)
    report = calibrate(path, root, "val", per_class)
    fitted, measured = divide(read_split(root, "val"))
    assert sorted(one.name for one in (*fitted, *measured)) == NAMES
    assert (report.fitted_images, report.measured_images) == (len(fitted), len(measured)) == (3, 2)
    fit = TemperatureFit(3, 3)
    for example in fitted:
        image, label = read_example(example, 3)
        fit.add(plain.predict(image, with_logits=True).scores(), label)
    assert report.temperatures == fit.fit(per_class)
    sums = CalibrationSums(3), CalibrationSums(3)
    for example in measured:
        image, label = read_example(example, 3)
        logits = plain.predict(image, with_logits=True).scores()
        sums[0].add(softmax(logits), label)
        sums[1].add(softmax(logits, Temperatures(report.temperatures)), label)
    for found, expected in zip((report.before, report.after), sums, strict=True):
        np.testing.assert_array_equal(np.hstack(found), np.hstack(expected.calibration()))
    assert report.helps
    assert report.after.expected_error < report.before.expected_error / 2


def test_the_file_keeps_all_else_to_the_byte(path: Path, saved: Path, root: Path) -> None:
    report = calibrate(path, root)
    before, after = contents(saved), contents(path)
    record = after.pop("calibration.json")
    assert record
    changed = {name for name in before if before[name] != after[name]}
    assert (before.keys(), changed) == (after.keys(), {"config.json"})
    assert load_state(path) == {"step": 7}
    plain, found = load_model(saved), load_model(path)
    assert found.get_config() == plain.get_config() | {"temperatures": report.temperatures}
    for one, other in zip(found.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert read_record(path) == report.as_dict()
    assert read_record(saved) is None


def test_labels_and_scores_of_images_stay_and_both_calibrations_are_evaluated(path: Path, root: Path) -> None:
    before = evaluate(path, root, calibration=True)
    calibrate(path, root)
    after = evaluate(path, root, calibration=True)
    np.testing.assert_array_equal(after.matrix, before.matrix)
    assert before.calibration is not None
    assert after.calibration is not None
    assert after.tempered is not None
    assert before.tempered is None
    np.testing.assert_array_equal(np.hstack(after.calibration), np.hstack(before.calibration))
    assert after.tempered.negative_log_likelihood < after.calibration.negative_log_likelihood


def test_a_calibrated_net_is_fitted_from_its_own_scores_again(path: Path, root: Path) -> None:
    first = calibrate(path, root, per_class=True)
    again = calibrate(path, root)
    assert len(first.temperatures) == 3
    np.testing.assert_array_equal(np.hstack(again.before), np.hstack(first.before))
    assert load_model(path).temperatures == again.temperatures
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == len(set(archive.namelist()))


def test_temperatures_that_do_not_help_are_not_kept(path: Path, root: Path) -> None:
    calibrate(path, root)
    before = path.read_bytes()
    # Scores of zero are as good as chance, which no temperature changes.
    net = load_model(path)
    for name in ("score_fr", "score_pool4", "score_pool3"):
        net.get_layer(name).set_weights([0 * one for one in net.get_layer(name).get_weights()])
    other = path.with_name("zero.keras")
    net.save(other)
    kept = other.read_bytes()
    report = calibrate(other, root)
    assert not report.helps
    assert report.as_dict()["kept"] is False
    assert other.read_bytes() == kept != before


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_write_leaves_the_file_as_it_was(
    error: BaseException, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()
    written: list[str] = []
    write = zipfile.ZipFile.writestr

    def interrupted(archive: zipfile.ZipFile, name: str, data: str) -> None:
        written.append(name)
        if len(written) == 2:
            raise error
        write(archive, name, data)

    monkeypatch.setattr(zipfile.ZipFile, "writestr", interrupted)
    with pytest.raises((KeyboardInterrupt, OutputError)):
        save_temperatures(path, [1.5], {"split": "val"})
    assert len(written) == 2
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["net.keras"]


def test_a_file_that_a_training_replaced_meanwhile_is_left_alone(
    path: Path, saved: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = TemperatureFit.fit

    def replaced(self: TemperatureFit, per_class: bool) -> tuple[float, ...]:
        shutil.copy(saved, path.with_name("new"))
        path.with_name("new").replace(path)
        return fit(self, per_class)

    monkeypatch.setattr(TemperatureFit, "fit", replaced)
    with pytest.raises(RunError, match=r"net.keras: was replaced meanwhile.* Calibrate it when"):
        calibrate(path, root)
    assert path.read_bytes() == saved.read_bytes()


def test_what_cannot_be_calibrated(path: Path, root: Path, plain_export: Path) -> None:
    with pytest.raises(DataError, match=r"expected at least 2 images in one.* Received: 1"):
        calibrate(path, root, "one")
    with pytest.raises(RunError, match="is an exported model"):
        calibrate(plain_export, root)
    with pytest.raises(RunError, match=r"fcn8s-voc: is a published net.* fcn import"):
        calibrate("fcn8s-voc", root)
    (path.parent / "other").mkdir()
    shutil.copytree(root, path.parent / "other", dirs_exist_ok=True)
    (path.parent / "other" / "labels.txt").write_text("sky\nsea\nsun\n")
    with pytest.raises(DataError, match="expected the classes the model was trained on: ground, cat, dog"):
        calibrate(path, path.parent / "other")
