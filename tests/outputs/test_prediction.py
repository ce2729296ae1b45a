"""Tests of the prediction for one image."""

from pathlib import Path

import numpy as np
import pytest

from fcn.classes import VOC_CLASS_NAMES, Classes
from fcn.data.image_io import read_label, read_palette
from fcn.errors import OutputError
from fcn.outputs import probabilities
from fcn.outputs.overlay import overlay_image
from fcn.outputs.prediction import Prediction
from fcn.outputs.probabilities import mean_confidence, softmax

CLASSES = Classes(("sky", "sea", "sun"), ((10, 20, 30), (200, 0, 0), (0, 90, 250)))


@pytest.fixture
def prediction(rng: np.random.Generator) -> Prediction:
    image = rng.integers(0, 256, (24, 31, 3), np.uint8)
    label = np.zeros((24, 31), np.uint8)
    label[5:9, 3:20] = 2
    return Prediction(image, CLASSES, (label, 0.75))


def test_areas_by_hand() -> None:
    label = np.array([[0, 15, 15, 15], [15, 0, 20, 15]], np.uint8)
    image = np.zeros((2, 4, 3), np.uint8)
    areas = Prediction(image, Classes.named(VOC_CLASS_NAMES), (label, 1.0)).areas()
    assert areas == {"background": 2 / 8, "person": 5 / 8, "tvmonitor": 1 / 8}
    assert list(areas) == ["background", "person", "tvmonitor"]


def test_its_forms_are_those_of_infer(prediction: Prediction, tmp_path: Path) -> None:
    path = tmp_path / "label.png"
    prediction.save(path)
    np.testing.assert_array_equal(read_label(path), prediction.label)
    palette = read_palette(path)
    assert palette is not None
    assert [tuple(color) for color in palette[:3].tolist()] == list(CLASSES.palette)
    expected = overlay_image(prediction.image, prediction.label, CLASSES)
    np.testing.assert_array_equal(prediction.overlay(), expected)
    sky, sun = prediction.polygons()
    assert (sky["category_id"], sun["category_id"], sun["bbox"]) == (0, 2, [3, 5, 17, 4])
    assert [one["category_id"] for one in prediction.polygons(min_area=100)] == [0]
    with pytest.raises(OutputError, match=r"label\.png"):
        prediction.save(path / "no folder" / "label.png")


def test_a_notebook_shows_the_overlay_and_text_the_areas(prediction: Prediction) -> None:
    assert prediction._repr_jpeg_() == prediction.encoded_overlay()
    assert repr(prediction) == "Prediction(24x31: sky 90.9%, sun 9.1%)"  # 68 of 744 pixels


def test_an_overlay_is_upright(prediction: Prediction) -> None:
    image, label = prediction.image, prediction.label
    stored = Prediction(image, CLASSES, (label, 0.75), orientation=6)
    expected = overlay_image(np.rot90(image, -1), np.rot90(label, -1), CLASSES)
    np.testing.assert_array_equal(stored.overlay(), expected)
    np.testing.assert_array_equal(stored.label, label)


def test_a_label_follows_from_scores(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = rng.normal(0, 3, (20, 17, 3)).astype(np.float32)
    shares = softmax(logits)
    prediction = Prediction(np.zeros((20, 17, 3), np.uint8), CLASSES, logits=logits)
    np.testing.assert_array_equal(prediction.label, shares.argmax(axis=-1))
    assert prediction.mean_confidence == pytest.approx(shares.max(axis=-1).mean(), rel=1e-6)
    np.testing.assert_array_equal(prediction.probabilities(), shares)
    whole = mean_confidence(logits)
    monkeypatch.setattr(probabilities, "_BAND_SCORES", 3 * 17 * 3)  # three rows at a time
    assert mean_confidence(logits) == whole == prediction.mean_confidence


def test_without_label_and_scores_there_is_nothing_to_say(prediction: Prediction) -> None:
    with pytest.raises(ValueError, match="a label or scores"):
        Prediction(prediction.image, CLASSES)
    with pytest.raises(ValueError, match="with_logits=True"):
        prediction.probabilities()
