"""Tests of single layers of a tail as convolutions; whole nets are tested in `test_surgery.py`."""

import keras
import numpy as np
import pytest
from keras import layers
from keras.ops import convert_to_numpy

from fcn.models.fully_connected import Tail, apply_as_convolutions, clone, copy_weights


def head(*tail_layers: layers.Layer, window: tuple[int, int, int] = (2, 3, 4)) -> tuple[Tail, keras.Model]:
    """A tail with random weights, and the same applied to maps."""
    rng = np.random.default_rng(0)
    vector = keras.Sequential([keras.Input((int(np.prod(window)),)), *tail_layers])
    vector.set_weights([rng.uniform(0.1, 1, value.shape) for value in vector.get_weights()])
    tail = Tail(window, tail_layers)
    features = keras.Input((None, None, window[2]))
    return tail, keras.Model(features, apply_as_convolutions(features, tail, None, str.upper))


@pytest.mark.parametrize(
    "behind",
    [
        layers.Softmax(axis=1),
        layers.Softmax(),
        layers.BatchNormalization(axis=1),
        layers.BatchNormalization(scale=False, center=False),
        layers.PReLU(),
        layers.Flatten(),
        layers.Activation("log_softmax"),
        layers.ELU(),
    ],
    ids=lambda layer: layer.name,
)
def test_a_layer_means_the_same_on_a_map(behind: layers.Layer, rng: np.random.Generator) -> None:
    tail, net = head(layers.Dense(5), behind)
    features = rng.normal(0, 1, (2, 3, 5, 4)).astype(np.float32)
    answers = convert_to_numpy(net(features))
    assert answers.shape == (2, 2, 3, 5)
    for row in range(2):
        for column in range(3):
            x = features[:, row : row + 2, column : column + 3].reshape(2, -1)
            for layer in tail.layers:
                x = layer(x)
            np.testing.assert_allclose(answers[:, row, column], x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"epsilon": 0.5}])
@pytest.mark.parametrize("use_bias", [True, False])
def test_scale_and_shift_of_each_place_go_into_the_kernel(
    options: dict[str, float], use_bias: bool, rng: np.random.Generator
) -> None:
    tail, net = head(layers.BatchNormalization(**options), layers.Dense(5, use_bias=use_bias))
    assert [layer.name for layer in tail.kept] == [tail.last_dense.name]
    features = rng.normal(0, 1, (2, 2, 3, 4)).astype(np.float32)
    expected = tail.layers[1](tail.layers[0](features.reshape(2, -1)))
    np.testing.assert_allclose(convert_to_numpy(net(features))[:, 0, 0], expected, rtol=1e-4, atol=1e-5)


def test_scale_and_shift_of_a_map_of_one_place_go_there_too(rng: np.random.Generator) -> None:
    tail, net = head(layers.BatchNormalization(), layers.Dense(5), window=(1, 1, 4))
    assert len(net.layers) == 2
    features = rng.normal(0, 1, (2, 1, 1, 4)).astype(np.float32)
    expected = tail.layers[1](tail.layers[0](features.reshape(2, -1)))
    np.testing.assert_allclose(convert_to_numpy(net(features))[:, 0, 0], expected, rtol=1e-4, atol=1e-5)


def test_layers_get_the_names_they_are_given() -> None:
    _, net = head(layers.Dense(5, name="fc"), layers.ReLU(name="bent"), layers.Dense(2, name="score"))
    assert [layer.name for layer in net.layers[1:]] == ["FC", "BENT", "SCORE"]


@pytest.mark.parametrize("axis", [0, None])
def test_a_constraint_of_the_kernel_constrains_the_same_numbers(axis: int | None) -> None:
    constraint = keras.constraints.UnitNorm(axis=0) if axis == 0 else keras.constraints.NonNeg()
    _, net = head(layers.Dense(5, kernel_constraint=constraint, name="fc"))
    kernel = np.random.default_rng(0).normal(0, 1, (2, 3, 4, 5)).astype(np.float32)
    constrained = convert_to_numpy(net.get_layer("FC").kernel_constraint(keras.ops.convert_to_tensor(kernel)))
    expected = convert_to_numpy(constraint(keras.ops.convert_to_tensor(kernel.reshape(24, 5))))
    np.testing.assert_allclose(constrained.reshape(24, 5), expected, rtol=1e-6)


def test_an_adapted_normalization_is_copied() -> None:
    source = layers.Normalization()
    source.adapt(np.array([[1.0, 2], [5, 8]]))
    target = clone(source)
    target.build((None, 2))
    copy_weights(source, target)
    np.testing.assert_allclose(convert_to_numpy(target(np.array([[3.0, 5]]))), 0, atol=1e-6)
    np.testing.assert_array_equal(target(np.array([[9.0, 9]])), source(np.array([[9.0, 9]])))


def test_a_quantized_layer_is_refused() -> None:
    dense = layers.Dense(3, name="small")
    dense.build((None, 24))
    dense.quantize("int8")
    with pytest.raises(ValueError, match=r"'small' .*quantized"):
        apply_as_convolutions(keras.Input((None, None, 4)), Tail((2, 3, 4), (dense,)), None, str)
