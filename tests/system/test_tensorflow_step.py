"""Tests of the parts of a training step that are TensorFlow's own operations."""

import keras
import numpy as np
import tensorflow as tf

from fcn.system.tensorflow_step import apply_momentum


def test_variables_of_keras_and_tensorflow_change_alike() -> None:
    found = []
    for kind in (keras.Variable, tf.Variable):
        weight, velocity = kind(np.float32([2.0, 1.0])), kind(np.float32([1.0, -1.0]))
        apply_momentum(weight, velocity, tf.constant([0.25, 0.5]), 0.5)
        found.append([np.asarray(weight).tolist(), np.asarray(velocity).tolist()])
    assert found == [[[1.25, 1.0], [0.75, 0.0]]] * 2
