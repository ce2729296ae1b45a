"""Tests of the parts of a training step that are TensorFlow's own operations."""

import keras
import numpy as np
import tensorflow as tf

from fcn.system.tensorflow_step import apply_momentum, multiply_in_training


def test_variables_of_keras_and_tensorflow_change_alike() -> None:
    found = []
    for kind in (keras.Variable, tf.Variable):
        weight, velocity = kind(np.float32([2.0, 1.0])), kind(np.float32([1.0, -1.0]))
        apply_momentum(weight, velocity, tf.constant([0.25, 0.5]), 0.5)
        found.append([np.asarray(weight).tolist(), np.asarray(velocity).tolist()])
    assert found == [[[1.25, 1.0], [0.75, 0.0]]] * 2


def test_gradients_are_those_of_an_ordinary_product() -> None:
    rng = np.random.default_rng(0)
    rows, matrix = (tf.constant(rng.normal(size=size), tf.float32) for size in ((2, 3, 5), (5, 4)))
    found = []
    for multiply in (multiply_in_training, tf.matmul):
        with tf.GradientTape() as tape:
            tape.watch([rows, matrix])
            product = multiply(rows, matrix)
            loss = tf.reduce_sum(tf.sin(product))
        found.append([product, *tape.gradient(loss, [rows, matrix])])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
