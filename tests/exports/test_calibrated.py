"""Tests of the export of a calibrated net: its SavedModel, its engines, its files and its model card."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from markdown_page import rows, sections, text

from fcn.data.image_io import encode_png
from fcn.exports.card.results import calibration
from fcn.exports.export import export
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN
from fcn.runs.calibration_file import save_temperatures

VALUES = (0.5, 1.8, 4.0)
RECORD = {
    "data": "shots",
    "split": "val",
    "fitted_images": 51,
    "measured_images": 50,
    "before": {"expected_calibration_error": 0.0321, "negative_log_likelihood": 0.5},
    "after": {"expected_calibration_error": 0.0123, "negative_log_likelihood": 0.25},
}
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 57, 3), np.uint8)


@pytest.fixture(scope="module")
def version(thin_net: Callable[..., FCN], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibrated")
    thin_net().save(folder / "net.keras")
    save_temperatures(folder / "net.keras", VALUES, RECORD)
    return export(folder / "net.keras", folder / "exported", ["openvino"])


@pytest.mark.slow
def test_signatures_and_engines_say_the_same_confidence(version: Path, net: FCN) -> None:
    served = tf.saved_model.load(str(version))
    answer = served.signatures["serving_default"](image_bytes=tf.constant([encode_png(IMAGE)]))
    plain = Predictor(net).predict(IMAGE, with_logits=True)
    logits = plain.scores()
    powers = np.exp((logits - logits.max(-1, keepdims=True)) / np.array(VALUES)[plain.label][..., np.newaxis])
    expected = float((1 / powers.sum(axis=-1)).mean())
    assert answer["mean_confidence"].numpy() == pytest.approx([expected], rel=1e-4)
    for engine in ("tensorflow", "openvino"):
        found = Predictor(version, engine).predict(IMAGE)
        np.testing.assert_array_equal(found.label, plain.label)
        assert found.mean_confidence == pytest.approx(expected, rel=1e-4)
        scored = Predictor(version, engine).predict(IMAGE, with_logits=True)
        assert scored.mean_confidence == pytest.approx(expected, rel=1e-4)
        np.testing.assert_allclose(scored.scores(), logits, rtol=0, atol=1e-4 * np.abs(logits).max())
    raw = served.signatures["predict_logits"](images=IMAGE[np.newaxis])["logits"]
    np.testing.assert_allclose(raw[0], logits, rtol=0, atol=1e-4 * np.abs(logits).max())


@pytest.mark.slow
def test_files_and_card_say_it(version: Path) -> None:
    assert json.loads((version / "assets" / "model.json").read_text())["temperatures"] == [*VALUES]
    assert json.loads((version / "calibration.json").read_text()) == RECORD
    page = sections((version / "model_card.md").read_text())
    assert "divided by the temperature below" in text(page["Signatures"])
    told = text(page["Calibration"])
    assert "Labels are those of the scores themselves, and predict_logits returns these" in told
    assert "Fitted on 51 images of split val of shots; on 50 others of it" in told
    found = rows(page["Calibration"])
    for expected in (["1", "1.8"], ["expected calibration error", "3.21%", "1.23%"]):
        assert expected in found
    assert "calibration.json" in dict(rows(page["Files"]))


def test_a_card_without_a_record_says_that(tmp_path: Path) -> None:
    found = calibration([1.25], tmp_path)
    assert "The temperature is 1.25." in found
    assert found.endswith("What it was fitted on is not known.")


@pytest.mark.slow
def test_an_export_of_a_net_that_is_not_calibrated_has_none_of_it(plain_export: Path) -> None:
    assert not (plain_export / "calibration.json").exists()
    assert "temperatures" not in json.loads((plain_export / "assets" / "model.json").read_text())
    page = (plain_export / "model_card.md").read_text()
    assert "emperature" not in page
    assert "`mean_confidence` is the softmax of the label, on average over the pixels." in page
