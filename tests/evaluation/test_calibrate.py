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
from fcn.evaluation.calibrate import CalibrationReport, _describe_ends, calibrate, divide
from fcn.evaluation.calibration import Calibration, CalibrationSums
from fcn.evaluation.temperature_fit import TemperatureFit
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN
from fcn.outputs.probabilities import softmax
from fcn.outputs.temperature import Temperatures
from fcn.runs.calibration_file import read_record, save_temperatures
from fcn.runs.model_file import load_model, load_state, save_checkpoint

pytestmark = pytest.mark.usefixtures("eager")
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


@pytest.fixture(scope="module")
def calibrated(saved: Path, root: Path) -> tuple[Path, CalibrationReport]:
    """A copy of the net with a temperature for each class, and the report; tests only look at it."""
    path = Path(shutil.copy(saved, saved.with_name("calibrated.keras")))
    return path, calibrate(path, root, per_class=True)


def test_half_is_fitted_and_the_other_half_measured(
    saved: Path, calibrated: tuple[Path, CalibrationReport], root: Path
) -> None:
    plain, report = Predictor(saved), calibrated[1]
    fitted, measured = divide(read_split(root, "val"))
    assert sorted(one.name for one in (*fitted, *measured)) == NAMES
    assert (report.fitted_images, report.measured_images) == (len(fitted), len(measured)) == (3, 2)
    fit = TemperatureFit(3, 3)
    for example in fitted:
        image, label = read_example(example, 3)
        fit.add(plain.predict(image, with_logits=True).scores(), label)
    assert report.temperatures == fit.fit(per_class=True)
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


def test_the_file_keeps_all_else_to_the_byte(saved: Path, calibrated: tuple[Path, CalibrationReport]) -> None:
    path, report = calibrated
    before, after = contents(saved), contents(path)
    assert after.pop("calibration.json")
    changed = {name for name in before if before[name] != after[name]}
    assert (before.keys(), changed) == (after.keys(), {"config.json"})
    assert load_state(path) == {"step": 7}
    plain, found = load_model(saved), load_model(path)
    assert found.get_config() == plain.get_config() | {"temperatures": report.temperatures}
    for one, other in zip(found.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert read_record(path) == report.as_dict()
    assert read_record(saved) is None


def test_a_calibrated_net_is_fitted_from_its_own_scores_again(
    calibrated: tuple[Path, CalibrationReport], tmp_path: Path, root: Path
) -> None:
    path, first = Path(shutil.copy(calibrated[0], tmp_path / "net.keras")), calibrated[1]
    again = calibrate(path, root)
    assert (len(first.temperatures), len(again.temperatures)) == (3, 1)
    np.testing.assert_array_equal(np.hstack(again.before), np.hstack(first.before))
    assert again.previous is not None
    np.testing.assert_array_equal(np.hstack(again.previous), np.hstack(first.after))
    assert first.previous is None
    better = again if again.helps else first
    assert better.after.negative_log_likelihood == min(
        one.after.negative_log_likelihood for one in (first, again)
    )
    assert load_model(path).temperatures == better.temperatures
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == len(set(archive.namelist()))


def test_temperatures_that_do_not_help_are_not_kept(path: Path, root: Path) -> None:
    # Scores of zero are as good as chance, which no temperature changes.
    net = load_model(path)
    for name in ("score_fr", "score_pool4", "score_pool3"):
        net.get_layer(name).set_weights([0 * one for one in net.get_layer(name).get_weights()])
    net.save(path)
    before = path.read_bytes()
    report = calibrate(path, root)
    assert not report.helps
    assert report.as_dict()["kept"] is False
    assert path.read_bytes() == before


def test_better_temperatures_are_kept(calibrated: tuple[Path, CalibrationReport]) -> None:
    # The net is right at three of four pixels, so the odds are 3 to 1 at the temperature 2 / log(3) = 1.82.
    logits = np.array([[[2, 0, -9]] * 4], np.float32)

    def at(temperature: float) -> Calibration:
        sums = CalibrationSums(3)
        sums.add(softmax(logits, Temperatures([temperature])), np.array([[0, 0, 0, 1]], np.uint8))
        return sums.calibration()

    for fitted, present, helps in (
        *((1.8, None, True), (1.8, 3.0, True), (1.8, 1.8, True)),
        *((1.5, 1.8, False), (0.5, None, False), (0.5, 0.2, False)),
    ):
        previous = None if present is None else at(present)
        report = calibrated[1]._replace(before=at(1), after=at(fitted), previous=previous)
        assert report.helps == helps, (fitted, present)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.1,), "The temperature is at the end of the range, 0.1 to 10: "),
        ((0.5, 9.99999, 0.1000001), "The temperature of cat, dog is at the end"),
        ((0.2, 9.0, 1.0), None),
    ],
)
def test_a_fit_that_stopped_at_the_end_of_its_range_is_told(
    values: tuple[float, ...], said: str | None
) -> None:
    assert [one[: len(said or "")] for one in _describe_ends(values, CLASS_NAMES)] == [said] * (
        said is not None
    )


def test_images_under_two_names_are_not_in_both_halves(
    path: Path, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_dataset(tmp_path / "data", {"val": NAMES})
    fitted, measured = divide(read_split(root, "val"))
    alone, copy = (one.image_path for one in measured)
    shutil.copy(fitted[0].image_path, copy)
    report = calibrate(path, root)
    assert (report.fitted_images, report.measured_images) == (3, 1)
    assert report.warnings[0].startswith("1 image to measure on was left out: the same pixels")
    assert report.warnings[1].startswith("Fitted on 3 images and measured on 1: others may need other")
    plain, sums = Predictor(path), CalibrationSums(3)
    image, label = read_example(measured[0], 3)
    sums.add(softmax(plain.predict(image, with_logits=True).scores()), label)
    np.testing.assert_array_equal(np.hstack(report.before), np.hstack(sums.calibration()))
    shutil.copy(fitted[1].image_path, alone)
    with pytest.raises(DataError, match="expected images in val that differ"):
        calibrate(path, root)


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
