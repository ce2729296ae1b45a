"""Tests of the multiply-adds: with inputs and weights of 1, the sum of the outputs counts the products."""

import keras
import numpy as np
import pytest

from fcn.inspection.facts import inspect_model

layers = keras.layers
ONES = {"kernel_initializer": "ones", "use_bias": False}
DEPTHWISE = {"depthwise_initializer": "ones", "use_bias": False}


def products(layer: keras.layers.Layer, shape: tuple[int, ...]) -> tuple[int, int]:
    """Returns how many products are derived, and how many there are."""
    model = keras.Sequential([keras.Input(shape), layer])
    derived = inspect_model(model, shape[:-1]).layers[-1].multiply_adds
    return derived, round(float(np.sum(model(np.ones((1, *shape), np.float32)))))


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(5, 3, **ONES),
        layers.Conv2D(5, (1, 4), (2, 3), **ONES),
        layers.Conv2D(6, 3, dilation_rate=2, groups=2, **ONES),
        layers.Conv2DTranspose(5, 4, 2, **ONES),
        layers.Conv2DTranspose(3, (3, 2), **ONES),
        layers.DepthwiseConv2D(3, depth_multiplier=2, **DEPTHWISE),
        layers.Dense(7, **ONES),
    ],
)
def test_products_are_counted(layer: keras.layers.Layer) -> None:
    derived, counted = products(layer, (11, 12, 4))
    assert derived == counted


def test_products_along_one_axis_are_counted() -> None:
    derived, counted = products(layers.Conv1D(3, 4, dilation_rate=3, **ONES), (20, 2))
    assert derived == counted


def test_a_separable_convolution_is_both_of_its_parts() -> None:
    stack = [layers.DepthwiseConv2D(3, depth_multiplier=2), layers.Conv2D(5, 1)]
    parts = inspect_model(keras.Sequential([keras.Input((9, 8, 4)), *stack]), (9, 8)).layers
    whole = keras.Sequential([keras.Input((9, 8, 4)), layers.SeparableConv2D(5, 3, depth_multiplier=2)])
    expected = sum(part.multiply_adds for part in parts)
    assert inspect_model(whole, (9, 8)).layers[-1].multiply_adds == expected == 7 * 6 * (9 * 8 + 8 * 5)


def test_padding_and_what_is_cut_off_count() -> None:
    for layer, expected in (
        (layers.Conv2D(2, 3, padding="same"), 6 * 5 * 9 * 3 * 2),
        (layers.Conv2DTranspose(2, 4, 2, padding="same"), 6 * 5 * 16 * 3 * 2),
    ):
        assert inspect_model(keras.Sequential([keras.Input((6, 5, 3)), layer]), (6, 5)).gflop == (
            2 * expected / 1e9
        )


@pytest.mark.parametrize(
    "join", [keras.ops.matmul, lambda a, b: layers.Dot(2)([a, b]), lambda a, b: layers.Attention()([a, b])]
)
def test_products_of_two_maps_are_not_counted_as_none(join) -> None:
    images = keras.Input((6, 6))
    inspection = inspect_model(keras.Model(images, join(images, layers.ReLU()(images))), (6,))
    assert inspection.uncounted == (inspection.layers[-1].name,)


def test_normalization_and_joining_add_up_no_products() -> None:
    images = keras.Input((6, 5, 4))
    x = layers.GroupNormalization(2)(images)
    inspection = inspect_model(keras.Model(images, layers.Concatenate()([x, images])), (6, 5))
    assert (inspection.uncounted, inspection.gflop) == ((), 0)
