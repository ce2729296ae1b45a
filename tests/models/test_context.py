"""Tests of the context module: where it starts."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from fcn.models.context import Identity, context_module
from fcn.models.dilated import DilatedNet


@pytest.mark.parametrize("geometry", ["same", "reference"])
@pytest.mark.parametrize("context", ["basic", "large"])
def test_a_new_context_net_says_what_its_front_end_says(context: str, geometry: str) -> None:
    keras.utils.set_random_seed(0)
    thin = {"num_classes": 5, "width": 1 / 32, "fc_channels": 8, "geometry": geometry}
    frontend, net = DilatedNet(**thin), DilatedNet(**thin, context=context)
    rng = np.random.default_rng(0)
    frontend.get_layer("final").set_weights([rng.normal(0, 0.12, (1, 1, 8, 5)), rng.normal(0, 0.3, 5)])
    for layer in frontend.layers:
        net.get_layer(layer.name).set_weights(layer.get_weights())
    image = rng.integers(0, 256, (1, 45, 67, 3)).astype(np.float32)
    expected, logits = convert_to_numpy(frontend(image)), convert_to_numpy(net(image))
    assert -6 < expected.min() < -0.5, "negative scores are what a ReLU would cut off"
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)


def context_of(scores: np.ndarray, size: str) -> np.ndarray:
    inputs = keras.Input((None, None, scores.shape[-1]))
    module = keras.Model(inputs, context_module(inputs, scores.shape[-1], size, "same"))
    return convert_to_numpy(module(scores))


@pytest.mark.parametrize("size", ["basic", "large"])
def test_scores_are_cut_off_far_below_zero_alone(size: str) -> None:
    scores = np.random.default_rng(0).uniform(-30, 30, (1, 9, 7, 3)).astype(np.float32)
    found = context_of(scores, size)
    # Copies of a class differ a little, so some of them are cut off a little earlier.
    above = scores > -15
    np.testing.assert_allclose(found[above], scores[above], rtol=0, atol=3e-5)
    np.testing.assert_allclose(found, np.maximum(scores, -16), rtol=0, atol=0.3)


def test_a_new_module_keeps_as_many_digits_as_bfloat16_has() -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        # Which bfloat16 has: eighths up to 15.
        scores = np.random.default_rng(0).integers(-120, 121, (1, 9, 7, 3)).astype(np.float32) / 8
        found = context_of(scores, "basic")
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_array_equal(found, scores)


def test_scores_of_zero_get_a_gradient_through_the_module() -> None:
    # Weights of a new net's score layer are zero: behind a ReLU at zero they would stay so.
    net = DilatedNet(3, width=1 / 64, fc_channels=4, dropout=0, context="basic")
    image = np.full((1, 16, 16, 3), 200, np.float32)
    labels = np.ones((1, 16, 16), np.int32)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False)
    assert not np.any(net.get_layer("final").get_weights()[1])
    net.train_on_batch(image, labels)
    assert np.all(net.get_layer("final").get_weights()[1])


def test_a_kernel_passes_the_classes_on() -> None:
    kernel = convert_to_numpy(Identity(3)((3, 3, 6, 12)))
    # Outputs 0 to 3 belong to class 0, whose inputs are 0 and 1: a quarter of each goes to each.
    sums = kernel.reshape(3, 3, 6, 3, 4).sum(-1)
    expected = np.zeros((3, 3, 6, 3))
    expected[1, 1] = np.repeat(np.eye(3), 2, axis=0)
    np.testing.assert_allclose(sums, expected, atol=1e-6)
    assert len(np.unique(kernel[1, 1, 0, :4])) == 4, "copies of a class must differ to learn differently"
    np.testing.assert_allclose(kernel, np.repeat(expected, 4, axis=-1) / 4, atol=0.02)
    with pytest.raises(ValueError, match="multiples of 3 classes"):
        Identity(3)((3, 3, 4, 6))


def test_an_initializer_comes_back_from_its_settings() -> None:
    assert Identity.from_config(Identity(4).get_config()).num_classes == 4
