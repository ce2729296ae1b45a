"""Tests of the engine that computes with TensorFlow."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from fcn.classes import Classes
from fcn.inference.engines.tensorflow import TensorFlowEngine
from fcn.system.bfloat16 import bfloat16_instructions

CLASSES = Classes.named(("sky", "sea"))
IMAGES = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)


def product_engine(precision: str, traced: Barrier) -> TensorFlowEngine:
    """Returns an engine whose logits are a matrix product; it waits where its graph is about to run."""
    rng = np.random.default_rng(0)
    kernels = [tf.constant(rng.normal(size=shape), tf.float32) for shape in ((3, 64), (64, 2))]

    def compute(images: tf.Tensor) -> tf.Tensor:
        features = tf.reshape(tf.cast(images, tf.float32), (-1, 3))
        scores = tf.matmul(tf.nn.relu(tf.matmul(features, kernels[0])), kernels[1])
        traced.wait(60)
        return tf.reshape(scores, (1, 64, 64, 2))

    return TensorFlowEngine(CLASSES, compute, precision)


def error(logits: npt.NDArray[np.float32], exact: npt.NDArray[np.float32]) -> float:
    return float(np.abs(logits - exact).max() / np.abs(exact).max())


@pytest.mark.skipif(not bfloat16_instructions(), reason="needs a CPU with bfloat16 instructions")
def test_two_engines_at_once_keep_their_precision() -> None:
    exact = product_engine("float32", Barrier(1)).logits(IMAGES)
    options = tf.config.optimizer.get_experimental_options()
    both = Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        engines = [product_engine(precision, both) for precision in ("bfloat16", "float32")]
        low, same = threads.map(lambda engine: engine.logits(IMAGES), engines)
    np.testing.assert_array_equal(same, exact)
    assert 1e-4 < error(low, exact) < 0.05
    assert tf.config.optimizer.get_experimental_options() == options
    # And whichever thread calls them next.
    np.testing.assert_array_equal(engines[1].logits(IMAGES), exact)
    np.testing.assert_array_equal(engines[0].logits(IMAGES), low)


@pytest.mark.skipif(not bfloat16_instructions(), reason="needs a CPU with bfloat16 instructions")
def test_the_option_of_the_process_changes_no_engine() -> None:
    exact = product_engine("float32", Barrier(1)).logits(IMAGES)
    low = product_engine("bfloat16", Barrier(1)).logits(IMAGES)
    name = "auto_mixed_precision_onednn_bfloat16"
    tf.config.optimizer.set_experimental_options({name: True})
    try:
        np.testing.assert_array_equal(product_engine("float32", Barrier(1)).logits(IMAGES), exact)
        np.testing.assert_array_equal(product_engine("bfloat16", Barrier(1)).logits(IMAGES), low)
    finally:
        tf.config.optimizer.set_experimental_options({name: False})
