"""Tests of how uncertain a net is about each pixel."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from fcn.classes import Classes
from fcn.outputs import probabilities
from fcn.outputs.prediction import Prediction
from fcn.outputs.probabilities import Floats, softmax
from fcn.outputs.render import render
from fcn.outputs.uncertainty import doubtful_share, uncertainty_of, uncertainty_of_scores

CLASSES = Classes.named(("sky", "sea", "sun"))
PIXELS = np.zeros((20, 17, 3), np.uint8)


@pytest.fixture
def logits(rng: np.random.Generator) -> Floats:
    return rng.normal(0, 2, (20, 17, 3)).astype(np.float32)


def test_it_is_what_is_left_to_the_other_classes(logits: Floats) -> None:
    ordered = np.sort(softmax(logits), axis=-1)
    expected = 255 * ordered[..., :-1].sum(axis=-1)
    for found in (uncertainty_of(ordered[..., -1]), uncertainty_of_scores(logits)):
        assert (found.dtype, found.shape) == (np.uint8, (20, 17))
        assert np.abs(found - expected).max() <= 0.501
    assert uncertainty_of(np.array([[0, 1]], np.float32)).tolist() == [[255, 0]]


def test_nothing_is_stretched(logits: Floats) -> None:
    sure = np.zeros_like(logits)
    sure[..., 1] = 100
    assert uncertainty_of_scores(sure).max() == 0
    assert set(uncertainty_of_scores(np.zeros_like(logits)).reshape(-1).tolist()) == {170}  # 2 / 3 of 255


def test_a_pixel_is_doubtful_where_its_label_has_a_probability_below_7_in_10(logits: Floats) -> None:
    confidence = softmax(logits).max(axis=-1)
    clear = np.abs(confidence - 0.7) > 1 / 255
    share = doubtful_share(uncertainty_of(confidence)[clear][np.newaxis])
    assert share == pytest.approx((confidence[clear] < 0.7).mean())
    assert 0 < share < 1


def test_scores_are_read_in_bands(logits: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    before, whole = logits.copy(), uncertainty_of_scores(logits)
    monkeypatch.setattr(probabilities, "_BAND_SCORES", 3 * 17 * 3)  # three rows at a time
    np.testing.assert_array_equal(uncertainty_of_scores(logits), whole)
    np.testing.assert_array_equal(logits, before)


def test_a_prediction_has_it_with_and_without_scores(logits: Floats) -> None:
    confidence = softmax(logits).max(axis=-1)
    label, mean = logits.argmax(axis=-1).astype(np.uint8), float(confidence.mean())
    scored = Prediction(PIXELS, CLASSES, logits=logits)
    labeled = Prediction(PIXELS, CLASSES, (label, mean), uncertainty=uncertainty_of(confidence))
    assert np.abs(scored.uncertainty.astype(int) - labeled.uncertainty).max() <= 1
    for prediction in (scored, labeled):
        rendered = render(["uncertainty"], prediction)
        with Image.open(BytesIO(rendered.files[".uncertainty.png"])) as image:
            assert image.mode == "L"
            np.testing.assert_array_equal(np.array(image), prediction.uncertainty)
        share = (prediction.uncertainty >= 77).mean()
        assert rendered.record["doubtful"] == prediction.doubtful == pytest.approx(share)


def test_without_it_there_is_none_on_record() -> None:
    prediction = Prediction(PIXELS, CLASSES, (PIXELS[..., 0], 0.5))
    assert prediction.doubtful is None
    assert "doubtful" not in render(["palette"], prediction).record
    with pytest.raises(ValueError, match="scores"):
        render(["uncertainty"], prediction)
