"""The loss of a net that learns from labels and from a teacher, worked out by hand."""

import math

import keras
import loss_formulas as formulas
import numpy as np
import pytest

from fcn.classes import UNLABELED, VOID
from fcn.config.sections import LossConfig
from fcn.training.loss import build_loss
from fcn.training.loss.distillation import TaughtLoss, divergence

# One pixel where the teacher agrees with the net, one where it does not, and one outside of the image.
LABEL = np.array([[[1, UNLABELED, VOID]]])
LOGITS = np.array([[[[3.0, 3.0], [0.0, 0.0], [9.0, 0.0]]]], np.float32)
TEACHER = np.array([[[[3.0, 3.0], [math.log(0.75), math.log(0.25)], [0.0, 5.0]]]], np.float32)
# Of (3/4, 1/4) from (1/2, 1/2).
DIVERGENCE = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)


def taught(weight: float = 1.0, temperature: float = 1.0, **options: object) -> TaughtLoss:
    return TaughtLoss(weight, temperature, **build_loss(LossConfig(**options), None).get_config())


def both(logits: np.ndarray, teacher: np.ndarray) -> np.ndarray:
    return np.concatenate([logits, teacher], axis=-1)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, math.log(2) + DIVERGENCE / 2),
        ({"reduction": "sum"}, math.log(2) + DIVERGENCE),
        ({"weight": 3.0}, math.log(2) + 3 * DIVERGENCE / 2),
        ({"terms": {"cross_entropy": 0.5}}, math.log(2) / 2 + DIVERGENCE / 2),
    ],
)
def test_pixels_of_the_image_are_averaged_with_a_label_and_without(options: dict, expected: float) -> None:
    assert float(taught(**options)(LABEL, both(LOGITS, TEACHER))) == pytest.approx(expected, rel=1e-5)


def test_the_temperature_divides_logits_and_its_square_multiplies() -> None:
    found = taught(temperature=4.0)(LABEL, both(LOGITS, 4 * TEACHER))
    assert float(found) == pytest.approx(math.log(2) + 16 * DIVERGENCE / 2, rel=1e-5)


def test_the_gradient_is_that_of_both_terms() -> None:
    """That of `T * T * KL` is `T * (q - p)`, of cross entropy `q - 1` of the true class."""
    rng = np.random.default_rng(0)
    label = np.array([[[0, 1, UNLABELED, VOID]]])
    logits, teacher = (rng.standard_normal((1, 1, 4, 3)).astype(np.float32) for _ in range(2))

    def softmax(values: np.ndarray) -> np.ndarray:
        return np.exp(values) / np.exp(values).sum(axis=-1, keepdims=True)

    expected = 0.7 * 2.0 * (softmax(logits / 2) - softmax(teacher / 2)) / 3
    expected[0, 0, :2] += (softmax(logits) - np.eye(3)[[0, 1, 0, 0]])[0, 0, :2] / 2
    expected[0, 0, 3] = 0
    found = formulas.gradient(taught(0.7, 2.0), label, both(logits, teacher))
    np.testing.assert_allclose(found[..., :3], expected, atol=1e-6)
    assert (found[..., 3:] == 0).all()  # nothing is learned by the teacher


@pytest.mark.parametrize("there", [np.inf, np.nan])
def test_nothing_outside_of_the_image_counts(there: float) -> None:
    expected = float(taught()(LABEL, both(LOGITS, TEACHER)))
    logits = both(LOGITS, TEACHER)
    logits[0, 0, 2] = there
    assert float(taught()(LABEL, logits)) == expected
    assert (formulas.gradient(taught(), LABEL, logits)[0, 0, 2] == 0).all()
    outside = np.full_like(LABEL, VOID)
    assert float(taught()(outside, logits)) == 0


def test_a_net_that_says_what_its_teacher_says_has_no_loss(rng: np.random.Generator) -> None:
    logits = 9 * rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    label = np.full((2, 3, 4), UNLABELED)
    assert float(taught(temperature=3.0)(label, both(logits, logits))) == 0
    shifted = divergence(logits, logits + 7, 1.0)  # the same probabilities
    np.testing.assert_allclose(keras.ops.convert_to_numpy(shifted), 0, atol=1e-5)


def test_makes_itself_again() -> None:
    saved = keras.saving.serialize_keras_object(taught(0.25, 3.0))
    again = keras.saving.deserialize_keras_object(saved)
    assert isinstance(again, TaughtLoss)
    assert again.get_config() == taught(0.25, 3.0).get_config()
    assert float(again(LABEL, both(LOGITS, TEACHER))) == float(
        taught(0.25, 3.0)(LABEL, both(LOGITS, TEACHER))
    )
