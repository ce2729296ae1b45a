import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss

from fcn.classes import VOID
from fcn.training.loss import VoidCrossentropy


def test_equals_scikit_learn_over_the_labeled_pixels(rng: np.random.Generator) -> None:
    logits = rng.standard_normal((2, 5, 6, 4)).astype(np.float32)
    label = rng.choice([0, 1, 2, 3, VOID], (2, 5, 6))
    probabilities = np.exp(logits.astype(np.float64))
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    known = label != VOID
    expected = log_loss(label[known], probabilities[known], labels=[0, 1, 2, 3])
    assert float(VoidCrossentropy()(label, logits)) == pytest.approx(expected, rel=1e-5)


def test_void_has_no_gradient(rng: np.random.Generator) -> None:
    logits = tf.Variable(rng.standard_normal((1, 2, 2, 3)), dtype=tf.float32)
    with tf.GradientTape() as tape:
        loss = VoidCrossentropy()(np.array([[[0, VOID], [2, VOID]]]), logits)
    gradient = tape.gradient(loss, logits).numpy()
    assert (gradient[0, :, 1] == 0).all()
    assert (gradient[0, :, 0] != 0).all()


def test_a_batch_of_void_costs_nothing() -> None:
    logits = tf.Variable(np.ones((1, 2, 2, 3)), dtype=tf.float32)
    with tf.GradientTape() as tape:
        loss = VoidCrossentropy()(np.full((1, 2, 2), VOID), logits)
    assert float(loss) == 0
    assert (tape.gradient(loss, logits).numpy() == 0).all()


def test_makes_itself_again() -> None:
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(VoidCrossentropy()))
    assert isinstance(again, VoidCrossentropy)
