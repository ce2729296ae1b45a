"""Tests of convolutions computed as matrix products."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from fcn.models.patches import Conv2D, Conv2DTranspose, ordinary_convolutions
from fcn.runs.model_file import load_model
from fcn.training.precision import computing_in


def pair(padding: str, kernel_size: int | tuple[int, int] = 7, **options) -> list[keras.layers.Layer]:
    """The layer and Keras' own with the same weights."""
    return alike(
        [layer(5, kernel_size, padding=padding, **options) for layer in (Conv2D, keras.layers.Conv2D)]
    )


def transposed_pair(kernel_size: int, strides: int, **options) -> list[keras.layers.Layer]:
    kinds = (Conv2DTranspose, keras.layers.Conv2DTranspose)
    return alike([layer(3, kernel_size, strides=strides, **options) for layer in kinds])


def alike(layers: list[keras.layers.Layer]) -> list[keras.layers.Layer]:
    rng = np.random.default_rng(0)
    for layer in layers:
        layer.build((None, None, None, 4))
    weights = [rng.normal(size=weight.shape) for weight in layers[0].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    return layers


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [(7, 7), (8, 9), (12, 7), (1, 1), (3, 20)])
@pytest.mark.parametrize("kernel_size", [7, 4, (2, 5), 1])
def test_it_is_keras_own_convolution(
    padding: str, size: tuple[int, int], kernel_size: int | tuple[int, int]
) -> None:
    large = np.max(kernel_size)
    if padding == "valid" and min(size) < large:
        pytest.skip("no place for the kernel")
    x = np.random.default_rng(1).normal(size=(2, *size, 4)).astype(np.float32)
    ours, wanted = pair(padding, kernel_size, activation="relu")
    np.testing.assert_allclose(ours(x), wanted(x), rtol=1e-4, atol=1e-4)
    assert ours.compute_output_shape(x.shape) == tuple(ours(x).shape)


@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"strides": 2}, {"dilation_rate": 2}])
def test_gradients_are_those_of_keras_own_convolution(options: dict) -> None:
    x = tf.constant(np.random.default_rng(2).normal(size=(2, 9, 13, 4)), tf.float32)
    found = []
    for layer in pair("same", **options):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.sin(layer(x)))
        found.append(tape.gradient(loss, [x, *layer.trainable_variables]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def gradient_of_kernel(front_learns: bool) -> tf.Operation:
    """The product that is the gradient of such a layer's kernel, in the graph of a training."""
    net = keras.Sequential(
        [
            keras.Input((9, 8, 3)),
            keras.layers.Conv2D(4, 3, trainable=front_learns),
            keras.layers.ReLU(),
            Conv2D(5, 7, padding="same"),
        ]
    )

    @tf.function
    def gradients(x: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(net(x, training=True)))
        return tape.gradient(loss, net.trainable_variables)

    with computing_in("float32"):
        graph = gradients.get_concrete_function(tf.TensorSpec((1, 9, 8, 3), tf.float32)).graph
    products = [operation for operation in graph.get_operations() if operation.type == "MatMul"]
    (found,) = [product for product in products if product.get_attr("transpose_a")]
    return found


def test_in_training_the_gradient_of_the_kernel_comes_last() -> None:
    (of_patches,) = gradient_of_kernel(front_learns=True).control_inputs
    assert of_patches.type == "MatMul"
    assert of_patches.get_attr("transpose_b")


def test_behind_frozen_layers_nothing_waits_for_a_gradient_of_patches() -> None:
    assert not gradient_of_kernel(front_learns=False).control_inputs


def test_gradients_in_training_are_those_of_keras_own_convolution() -> None:
    x = tf.constant(np.random.default_rng(2).normal(size=(2, 9, 13, 3)), tf.float32)
    found = []
    for kind in (Conv2D, keras.layers.Conv2D):
        keras.utils.set_random_seed(4)
        front = keras.layers.Conv2D(4, 1, activation="relu")
        net = keras.Sequential([keras.Input((None, None, 3)), front, kind(5, 7, padding="same")])
        with computing_in("float32"), tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(net(x, training=True)))
        found.append(tape.gradient(loss, net.trainable_variables))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_a_layer_in_front_may_be_applied_more_than_once() -> None:
    relu, layer = keras.layers.ReLU(), Conv2D(4, 7, padding="same")
    images = keras.Input((9, 8, 4))
    net = keras.Model(images, relu(layer(relu(relu(images)))))
    with computing_in("float32"):
        assert net(np.ones((1, 9, 8, 4), np.float32), training=True).shape == (1, 9, 8, 4)


def test_arguments_it_has_no_product_for_are_keras_own() -> None:
    x = np.random.default_rng(6).normal(size=(1, 9, 8, 4)).astype(np.float32)
    layers = [kind(6, 3, padding="same", groups=2) for kind in (Conv2D, keras.layers.Conv2D)]
    ours, wanted = alike(layers)
    np.testing.assert_allclose(ours(x), wanted(x), rtol=1e-4, atol=1e-4)


def test_sizes_may_be_unknown() -> None:
    layer, wanted = pair("same")
    graph = tf.function(layer, input_signature=[tf.TensorSpec([None, None, None, 4], tf.float32)])
    for size in ((1, 5), (16, 3)):
        x = np.random.default_rng(3).normal(size=(1, *size, 4)).astype(np.float32)
        np.testing.assert_allclose(graph(x), wanted(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [(1, 1), (2, 5)])
@pytest.mark.parametrize(
    ("kernel_size", "strides", "options"),
    [
        (16, 8, {"use_bias": False}),
        (32, 16, {"activation": "relu"}),
        (64, 32, {}),
        (4, 2, {}),
        (17, 8, {}),
        (16, 8, {"output_padding": 3}),
    ],
)
def test_it_is_keras_own_transposed_convolution(
    padding: str, size: tuple[int, int], kernel_size: int, strides: int, options: dict
) -> None:
    x = np.random.default_rng(4).normal(size=(2, *size, 4)).astype(np.float32)
    ours, wanted = transposed_pair(kernel_size, strides, padding=padding, **options)
    graph = tf.function(ours, input_signature=[tf.TensorSpec([None, None, None, 4], tf.float32)])
    for found in (ours(x), graph(x)):
        np.testing.assert_allclose(found, wanted(x), rtol=1e-4, atol=1e-4)
    assert tuple(ours.compute_output_shape(x.shape)) == tuple(ours(x).shape)


def test_gradients_are_those_of_keras_own_transposed_convolution() -> None:
    x = tf.constant(np.random.default_rng(5).normal(size=(2, 3, 5, 4)), tf.float32)
    found = []
    for layer in transposed_pair(16, 8, padding="same"):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.sin(layer(x)))
        found.append(tape.gradient(loss, [x, *layer.trainable_variables]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)


def test_large_steps_up_are_no_transposed_convolutions_of_tensorflow(thin_net) -> None:
    def transposed(layer: keras.layers.Layer) -> list[str]:
        graph = tf.function(layer).get_concrete_function(tf.TensorSpec([1, None, None, 3], tf.float32)).graph
        return [operation.type for operation in graph.get_operations() if "Backprop" in operation.type]

    net = thin_net()
    assert transposed(net.get_layer("upscore8")) == []
    assert transposed(net.get_layer("upscore2")) == ["Conv2DBackpropInput"]
    with ordinary_convolutions():
        assert transposed(net.get_layer("upscore8")) == ["Conv2DBackpropInput"]


def test_a_net_computes_fc6_that_way(thin_net) -> None:
    net = thin_net()
    assert isinstance(net.get_layer("fc6"), Conv2D)
    assert type(net.get_layer("block5_conv3")) is keras.layers.Conv2D


def test_files_say_nothing_of_how_it_is_computed(thin_net, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("fcn.models.patches.Conv2D", keras.layers.Conv2D)
    before = thin_net(seed=3)
    assert type(before.get_layer("fc6")) is keras.layers.Conv2D
    before.save(tmp_path / "before.keras")
    monkeypatch.undo()
    after = load_model(tmp_path / "before.keras")
    assert type(after.get_layer("fc6")) is Conv2D
    for one, other in zip(before.weights, after.weights, strict=True):
        np.testing.assert_array_equal(one, other)
