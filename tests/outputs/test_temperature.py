"""Tests of temperatures: probabilities by hand, and what follows from them."""

from io import BytesIO

import numpy as np
import pytest

from fcn.classes import Classes
from fcn.outputs.prediction import Prediction
from fcn.outputs.probabilities import Floats, mixed_confidence, softmax
from fcn.outputs.temperature import Temperatures
from fcn.outputs.uncertainty import uncertainty_of

CLASSES = Classes.named(("sky", "sea", "sun"))


@pytest.fixture
def logits(rng: np.random.Generator) -> Floats:
    return rng.normal(0, 3, (20, 17, 3)).astype(np.float32)


def test_probabilities_by_hand() -> None:
    logits = np.log(np.array([[8, 1, 1], [1, 2, 4]], np.float32))  # 8 : 1 : 1, and 1 : 2 : 4
    one = softmax(logits, Temperatures([2]))
    odds = np.sqrt([[8, 1, 1], [1, 2, 4]])
    np.testing.assert_allclose(one, odds / odds.sum(axis=-1, keepdims=True), rtol=1e-6)
    per_class = softmax(logits, Temperatures([1, 7, 0.5]))  # the second pixel is labeled as the third class
    odds = np.array([[8, 1, 1], [1, 4, 16]])
    np.testing.assert_allclose(per_class, odds / odds.sum(axis=-1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize("values", [[1.7], [0.4, 1.7, 5]])
def test_a_prediction_keeps_its_label_and_all_else_follows_from_the_probabilities(
    values: list[float], logits: Floats
) -> None:
    pixels, temperatures = np.zeros((20, 17, 3), np.uint8), Temperatures(values)
    before = logits.copy()
    plain = Prediction(pixels, CLASSES, logits=logits)
    found = Prediction(pixels, CLASSES, logits=logits, temperatures=temperatures)
    np.testing.assert_array_equal(found.label, plain.label)
    factors = np.array(values * (3 // len(values)))[plain.label][..., np.newaxis]
    expected = np.exp(logits / factors)
    expected /= expected.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(found.probabilities(), expected, rtol=1e-5)
    assert found.mean_confidence == pytest.approx(expected.max(axis=-1).mean(), rel=1e-5)
    assert abs(found.mean_confidence - plain.mean_confidence) > 0.01
    difference = found.uncertainty.astype(int) - uncertainty_of(expected.max(axis=-1).astype(np.float32))
    assert np.abs(difference).max() <= 1
    encoded = np.load(BytesIO(found.encoded_probabilities()))["probabilities"]
    np.testing.assert_allclose(encoded, expected, atol=1e-3)
    np.testing.assert_array_equal(logits, before)


def test_averages_are_raised_to_one_over_the_temperature(logits: Floats) -> None:
    average = (softmax(logits) + softmax(logits[::-1])) / 2
    before = average.copy()
    powers = average.astype(np.float64) ** (1 / 1.7)
    expected = (powers / powers.sum(axis=-1, keepdims=True)).max(axis=-1)
    np.testing.assert_allclose(mixed_confidence(average, Temperatures([1.7])), expected, rtol=1e-5)
    np.testing.assert_array_equal(mixed_confidence(average, None), average.max(axis=-1))
    np.testing.assert_array_equal(average, before)


def test_certain_pixels_have_no_nan() -> None:
    sure = np.array([[[0, 200, -200], [0, 0, 0]]], np.float32)
    found = softmax(sure, Temperatures([0.1, 10, 0.1]))
    np.testing.assert_allclose(found, [[[0, 1, 0], [1 / 3, 1 / 3, 1 / 3]]], atol=1e-6)
    assert mixed_confidence(np.array([[0, 1, 0]], np.float32), Temperatures([3])).tolist() == [1]


@pytest.mark.parametrize("values", [[], [0], [1, -1], [float("nan")], [float("inf")]])
def test_others_than_positive_numbers_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"Expected temperatures above 0\. Received"):
        Temperatures(values)
