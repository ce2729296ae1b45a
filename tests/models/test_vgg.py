"""Tests of the backbone: against Keras' own VGG16, and fc6 against a fully connected layer."""

from typing import Any

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from fcn.models.architecture import scaled
from fcn.models.arguments import NetArguments
from fcn.models.fcn import FCN
from fcn.models.vgg import ImageNormalization, convolution, vgg16_features


def randomize(layer: Any, rng: np.random.Generator) -> None:
    layer.set_weights([rng.standard_normal(value.shape) * 0.05 for value in layer.get_weights()])


def test_pool5_is_that_of_the_vgg16_of_keras() -> None:
    rng = np.random.default_rng(0)
    theirs = keras.applications.VGG16(weights=None, include_top=False, input_shape=(64, 64, 3))
    # Scales so small that the numbers stay near 1 on their way through 13 layers.
    ours = FCN(
        2, stride=32, fc_channels=4, channel_order="bgr", mean=(103.9, 116.8, 123.7), scale=(0.02, 0.03, 0.04)
    )
    copied = 0
    for layer in theirs.layers:
        if layer.get_weights():
            kernel, bias = layer.get_weights()
            kernel = kernel * np.sqrt(2)  # Glorot to about He: signals keep their size.
            bias = rng.standard_normal(bias.shape) * 0.1
            layer.set_weights([kernel, bias])
            ours.get_layer(layer.name).set_weights([kernel, bias])
            copied += 1
    assert copied == 13
    image = rng.integers(0, 256, (1, 64, 64, 3)).astype(np.float32)
    normalized = (image[..., ::-1] - np.float32([103.9, 116.8, 123.7])) * np.float32([0.02, 0.03, 0.04])
    expected = convert_to_numpy(theirs(normalized))
    pool5 = convert_to_numpy(keras.Model(ours.input, ours.get_layer("block5_pool").output)(image))
    assert pool5.shape == (1, 2, 2, 512)
    assert expected.std() > 0.01
    np.testing.assert_allclose(pool5, expected, rtol=1e-4, atol=1e-4 * expected.max())


def test_fc6_and_fc7_are_fully_connected_layers_read_as_convolutions() -> None:
    rng = np.random.default_rng(0)
    inputs = keras.Input((None, None, 3))
    features = vgg16_features(inputs, NetArguments(width=1 / 32, fc_channels=12))
    net = keras.Model(inputs, features.fc7)
    dense6, dense7 = keras.layers.Dense(12, "relu"), keras.layers.Dense(12, "relu")
    flat = keras.Input((7 * 7 * 16,))
    keras.Model(flat, dense7(dense6(flat)))
    for name, dense in (("fc6", dense6), ("fc7", dense7)):
        layer = net.get_layer(name)
        randomize(layer, rng)
        kernel, bias = layer.get_weights()
        dense.set_weights([kernel.reshape(-1, 12), bias])
    pool5 = rng.standard_normal((2, 7, 7, 16)).astype(np.float32)
    head = keras.Model(net.get_layer("fc6").input, net.output)
    fully_connected = convert_to_numpy(dense7(dense6(pool5.reshape(2, -1))))
    assert (fully_connected > 0).any()
    # The 7x7 window around the middle covers the whole map, as the fully connected layer does.
    np.testing.assert_allclose(convert_to_numpy(head(pool5))[:, 3, 3], fully_connected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (64, 65), (224, 1)])
def test_sizes_are_rounded_up(size: tuple[int, int]) -> None:
    inputs = keras.Input((None, None, 3))
    features = vgg16_features(inputs, NetArguments(width=1 / 64, fc_channels=2))
    outputs = keras.Model(inputs, list(features))(np.zeros((1, *size, 3), np.float32))
    for output, stride in zip(outputs, (8, 16, 32), strict=True):
        assert tuple(output.shape[1:3]) == tuple(-(-side // stride) for side in size)


@pytest.mark.parametrize("batch_normalization", [False, True])
def test_layers_are_those_of_the_field(batch_normalization: bool) -> None:
    inputs = keras.Input((None, None, 3))
    features = vgg16_features(
        inputs, NetArguments(width=1 / 64, fc_channels=2, batch_normalization=batch_normalization)
    )
    net = keras.Model(inputs, list(features))
    convolutions = [layer.name for layer in net.layers if isinstance(layer, keras.layers.Conv2D)]
    blocks = [
        f"block{block}_conv{index}"
        for block, count in enumerate((2, 2, 3, 3, 3), 1)
        for index in range(1, count + 1)
    ]
    assert convolutions == [*blocks, "fc6", "fc7"]
    assert [layer.name for layer in net.layers if "pool" in layer.name] == [
        f"block{b}_pool" for b in range(1, 6)
    ]
    for name in convolutions:
        layer = net.get_layer(name)
        assert layer.use_bias != batch_normalization
        assert layer.padding == "same"
        assert isinstance(layer.kernel_initializer, keras.initializers.HeNormal)
        assert layer.kernel_size == {"fc6": (7, 7), "fc7": (1, 1)}.get(name, (3, 3))
    normalized = [layer.name for layer in net.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert normalized == ([f"{name}_bn" for name in convolutions] if batch_normalization else [])


def test_batch_normalization_stands_in_front_of_the_relu() -> None:
    inputs = keras.Input((8, 8, 3))
    outputs = convolution(inputs, 5, 3, "conv", batch_normalization=True)
    names = [layer.name for layer in keras.Model(inputs, outputs).layers[1:]]
    assert names == ["conv", "conv_bn", "conv_relu"]


def test_a_dilated_convolution_sees_further_and_keeps_the_size() -> None:
    inputs = keras.Input((None, None, 1))
    net = keras.Model(inputs, convolution(inputs, 1, 3, "conv", False, dilation_rate=4))
    net.get_layer("conv").set_weights([np.ones((3, 3, 1, 1)), np.zeros(1)])
    dot = np.zeros((1, 11, 11, 1), np.float32)
    dot[0, 5, 5] = 1
    seen = convert_to_numpy(net(dot))[0, ..., 0]
    assert np.argwhere(seen).tolist() == [[y, x] for y in (1, 5, 9) for x in (1, 5, 9)]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_normalization_is_what_numpy_computes(order: str, dtype: type) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3)).astype(dtype)
    mean, scale = (100.0, 110.5, 120.25), (0.25, 0.5, 2.0)
    layer = ImageNormalization(order, mean, scale)
    ordered = images[..., ::-1] if order == "bgr" else images
    expected = (ordered.astype(np.float32) - np.float32(mean)) * np.float32(scale)
    normalized = convert_to_numpy(layer(images))
    assert normalized.dtype == np.float32
    np.testing.assert_allclose(normalized, expected, rtol=1e-6)
    copy = keras.layers.deserialize(keras.layers.serialize(layer))
    np.testing.assert_array_equal(copy(images), normalized)


def test_another_channel_order_is_refused() -> None:
    with pytest.raises(ValueError, match=r'"rgb" or "bgr"\. Received: channel_order=.grb.'):
        ImageNormalization("grb", (0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize(
    ("channels", "width", "expected"), [(64, 1.0, 64), (64, 1 / 16, 4), (64, 1 / 1000, 1), (64, 1.5, 96)]
)
def test_a_thin_layer_has_at_least_one_channel(channels: int, width: float, expected: int) -> None:
    assert scaled(channels, width) == expected
