"""Tests of strides from shapes, and of backbones without padding."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers

from fcn.errors import RunError
from fcn.proof.unpadded import Unpadded, find_stride, map_size, padding_layers


def backbone(*rest: layers.Layer) -> keras.Model:
    x = inputs = keras.Input((None, None, 2))
    for layer in rest:
        x = layer(x)
    return keras.Model(inputs, x)


def plain() -> keras.Model:
    return backbone(
        layers.Conv2D(3, 3, padding="same", activation="relu"), layers.Conv2D(2, 5, padding="same")
    )


def with_branch() -> keras.Model:
    inputs = keras.Input((None, None, 2))
    x = layers.Conv2D(2, 3, padding="same", activation="relu")(inputs)
    return keras.Model(inputs, layers.Add()([x, layers.Conv2D(2, 5, padding="same")(x)]))


def residual() -> keras.Model:
    inputs = keras.Input((None, None, 2))
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool")(inputs)
    branch = layers.Conv2D(2, 3, padding="same", name="three")(layers.Conv2D(2, 1, padding="same")(x))
    x = layers.Add()([x, branch])
    branch = layers.Conv2D(4, 3, 2, name="down")(layers.ZeroPadding2D(1, name="zeros")(x))
    return keras.Model(inputs, layers.Concatenate()([branch, layers.Conv2D(4, 1, 2)(x)]))


@pytest.mark.parametrize(
    ("rest", "stride"),
    [
        (
            [
                layers.Conv2D(1, 5),
                layers.AveragePooling2D(2),
                layers.Conv2D(1, 5),
                layers.AveragePooling2D(2),
            ],
            (4, 4),
        ),
        ([layers.MaxPooling2D(2, padding="same") for _ in range(5)], (32, 32)),
        ([layers.Conv2D(1, 11, 4), layers.MaxPooling2D(3, 2), layers.MaxPooling2D(3, 2)], (16, 16)),
        ([layers.MaxPooling2D((3, 7))], (3, 7)),
        ([layers.MaxPooling2D(8), layers.UpSampling2D(2)], (4, 4)),
        ([layers.Conv2D(1, 3)], (1, 1)),
    ],
)
@pytest.mark.parametrize("size", [(64, 64), (67, 95)])
def test_the_stride_is_the_product_of_strides(
    rest: list[layers.Layer], stride: tuple[int, int], size: tuple[int, int]
) -> None:
    assert find_stride(backbone(*rest), size) == stride


def test_a_map_finer_than_the_image_has_no_stride() -> None:
    with pytest.raises(RunError, match="whole number of pixels"):
        find_stride(backbone(layers.UpSampling2D(2)), (8, 8))


def test_layers_that_pad_are_found() -> None:
    assert padding_layers(residual()) == ("pool", "three", "zeros")
    assert padding_layers(backbone(layers.Conv2D(1, 3), layers.Conv2D(1, 1, padding="same"))) == ()


def test_a_window_of_an_unpadded_map_is_the_map_of_a_crop() -> None:
    net = residual()
    rng = np.random.default_rng(0)
    unpadded = Unpadded(net, (3, 5), (12, 20))
    height, width = unpadded.size
    assert map_size(net, (12, 20)) == (3, 5)
    image = rng.normal(0, 1, (1, height + 8, width + 12, 2)).astype(np.float32)
    whole = unpadded.at((height + 8, width + 12))(image).numpy()
    assert whole.shape == (1, 5, 8, 8)
    crop_map = unpadded.at(unpadded.size)
    for row in range(3):
        for column in range(4):
            crop = image[:, 4 * row : 4 * row + height, 4 * column : 4 * column + width]
            expected = whole[:, row : row + 3, column : column + 5]
            np.testing.assert_allclose(crop_map(crop).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("build", [plain, with_branch])
def test_an_unpadded_copy_says_in_the_middle_what_the_padded_net_says(
    build: Callable[[], keras.Model],
) -> None:
    net = build()
    unpadded = Unpadded(net, (6, 6), (6, 6))
    assert unpadded.size == (12, 12)
    image = np.random.default_rng(0).normal(0, 1, (1, 12, 12, 2)).astype(np.float32)
    values, padded = unpadded.at((12, 12))(image).numpy(), net(image).numpy()
    np.testing.assert_allclose(values, padded[:, 3:-3, 3:-3], atol=1e-5)
    assert not np.allclose(padded, np.pad(values, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="edge"))
