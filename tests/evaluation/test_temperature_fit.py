"""Tests of fitting temperatures: by hand on a few pixels, and against SciPy."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from fcn.evaluation.temperature_fit import HIGHEST, LOWEST, TemperatureFit, fit_temperature

# Two classes whose scores are 2 apart. Of 4 pixels labeled as the first, 3 are right: odds of 3 to 1. Of 5
# labeled as the second, 4 are right.
LOGITS = np.array([[2, 0]] * 4 + [[0, 2]] * 5, np.float32)[np.newaxis]
LABEL = np.array([[0, 0, 0, 1, 1, 1, 1, 1, 0]], np.uint8)


def fitted(per_class: bool, fewest: int = 1) -> tuple[float, ...]:
    fit = TemperatureFit(2, 1)
    fit.add(LOGITS, LABEL)
    return fit.fit(per_class, fewest)


def test_temperatures_by_hand() -> None:
    assert fitted(per_class=False) == pytest.approx((2 / math.log(7 / 2),))
    assert fitted(per_class=True) == pytest.approx((2 / math.log(3), 2 / math.log(4)))


def test_a_class_with_few_pixels_or_no_mistake_has_the_temperature_of_all() -> None:
    common = 2 / math.log(7 / 2)
    assert fitted(per_class=True, fewest=5) == pytest.approx((common, 2 / math.log(4)))
    fit = TemperatureFit(2, 1)
    fit.add(LOGITS, np.where(np.arange(9) < 4, 0, LABEL).astype(np.uint8))
    common = 2 / math.log(8)
    assert fit.fit(per_class=True, fewest=1) == pytest.approx((common, 2 / math.log(4)))


def test_it_is_the_lowest_likelihood_that_scipy_finds(rng: np.random.Generator) -> None:
    scores = rng.normal(0, 4, (3000, 5)).astype(np.float32)
    probabilities = np.exp(log_softmax(scores / 2.3, axis=-1))
    truth = np.array([rng.choice(5, p=one / one.sum()) for one in probabilities], np.uint8)
    weights = rng.uniform(0.5, 2, 3000)

    def loss(temperature: float) -> float:
        of_truth = log_softmax(scores.astype(np.float64) / temperature, axis=-1)[range(3000), truth]
        return float(-(weights * of_truth).sum())

    expected = minimize_scalar(loss, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-9}).x
    found = fit_temperature(scores, truth, weights)
    assert found == pytest.approx(expected, rel=1e-5)
    assert found == pytest.approx(2.3, rel=0.1)  # from which the classes were drawn


def test_void_is_left_out_and_a_drawn_pixel_counts_for_those_that_were_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fcn.evaluation.temperature_fit._MOST_SCORES", 2 * 2 * 4)  # 4 pixels of an image
    fit = TemperatureFit(2, 2)
    # 40 pixels of the first image are all right. The second has 4 pixels, all wrong, and void.
    fit.add(np.full((5, 8, 2), (2, 0), np.float32), np.zeros((5, 8), np.uint8))
    label = np.array([[1, 1, 1, 1, 255, 255]], np.uint8)
    fit.add(np.full((1, 6, 2), (2, 0), np.float32), label)
    assert fit.fit() == pytest.approx((2 / math.log(10),))


def test_temperatures_stay_in_their_range() -> None:
    scores, ones = LOGITS[0, :4], np.ones(4)
    assert fit_temperature(scores, np.zeros(4, np.uint8), ones) == pytest.approx(LOWEST, rel=1e-3)
    assert fit_temperature(scores, np.ones(4, np.uint8), ones) == pytest.approx(HIGHEST, rel=1e-3)
    assert fit_temperature(np.zeros((4, 2), np.float32), np.zeros(4, np.uint8), ones) == 1
    assert TemperatureFit(2, 0).fit() == (1,)
