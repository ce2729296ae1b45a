from typing import Any

import keras
import numpy as np
import pytest

from fcn.config.sections import LossConfig, TrainConfig
from fcn.errors import ConfigError
from fcn.models.fcn import FCN
from fcn.training.optimizer import CaffeSGD, LayerwiseAdamW, build_optimizer
from fcn.training.patterns import variable_key
from fcn.training.schedule import PolySchedule


def thin(**options: Any) -> FCN:
    return FCN(num_classes=2, width=1 / 32, fc_channels=8, **options)


def random_like(variables: Any, seed: int, scale: float = 1.0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [(scale * rng.standard_normal(v.shape)).astype(np.float32) for v in variables]


def array(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable))


def test_caffe_sgd_by_hand() -> None:
    # g = 1 + 0.5 * 2 = 2, v = 0.1 * 2 = 0.2, w = 1.8
    # g = 3 + 0.5 * 1.8 = 3.9, v = 0.9 * 0.2 + 0.1 * 3.9 = 0.57, w = 1.23
    # a rate that falls to 0.01 leaves what the velocity holds: g = 0.615, v = 0.513 + 0.00615, w = 0.71085
    kernel = keras.Variable([2.0], name="kernel")
    optimizer = CaffeSGD(0.1, momentum=0.9, kernel_decay=0.5)
    optimizer.build([kernel])
    found = []
    for gradient, rate in ((1.0, 0.1), (3.0, 0.1), (0.0, 0.01)):
        optimizer.learning_rate = rate
        optimizer.apply([keras.ops.array([gradient])])
        found.append(array(kernel)[0])
    assert found == pytest.approx([1.8, 1.23, 0.71085], rel=1e-6)


def test_without_decay_it_is_the_sgd_of_keras() -> None:
    ours, theirs = keras.Variable([2.0, -1.0], name="kernel"), keras.Variable([2.0, -1.0], name="kernel")
    caffe = CaffeSGD(0.1, momentum=0.9, kernel_decay=0.0)
    sgd = keras.optimizers.SGD(0.1, momentum=0.9)
    for seed, rate in enumerate((0.1, 0.1, 0.01, 0.001)):  # a falling rate leaves what the velocity holds
        gradient = keras.ops.array(random_like([ours], seed)[0])
        for optimizer, variable in ((caffe, ours), (sgd, theirs)):
            optimizer.build([variable])
            optimizer.learning_rate = rate
            optimizer.apply([gradient], [variable])
    np.testing.assert_allclose(array(ours), array(theirs), rtol=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_an_update_in_place_is_the_same_to_the_bit(decay: float, monkeypatch) -> None:
    def after_three_steps() -> list[np.ndarray]:
        keras.utils.set_random_seed(0)
        net = thin()
        config = TrainConfig(
            steps=9, learning_rate=0.1, weight_decay=decay, learning_rate_multipliers={"*/bias": 2.0}
        )
        optimizer = build_optimizer(config, net)
        optimizer.build(net.trainable_variables)
        for seed in range(3):
            optimizer.apply([keras.ops.array(g) for g in random_like(net.trainable_variables, seed)])
        return [array(variable) for variable in [*net.weights, *optimizer.variables]]

    in_place = after_three_steps()
    monkeypatch.delattr(CaffeSGD, "update_variable")
    for one, other in zip(in_place, after_three_steps(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="an operation of TensorFlow's")
def test_an_update_with_momentum_makes_no_new_weights() -> None:
    import tensorflow as tf

    weight = keras.Variable(np.zeros((3, 5), np.float32), name="kernel")
    optimizer = CaffeSGD(0.1, momentum=0.9, kernel_decay=0.0)
    optimizer.build([weight])
    step = tf.function(lambda gradient: optimizer.apply([gradient], [weight]))
    operations = step.get_concrete_function(tf.TensorSpec((3, 5), tf.float32)).graph.get_operations()
    large = {operation.type for operation in operations if any(o.shape == (3, 5) for o in operation.outputs)}
    # The gradient, and its product with the learning rate, which takes its place.
    assert large - {"Identity", "IdentityN"} == {"Placeholder", "Mul"}
    assert "ResourceApplyMomentum" in [operation.type for operation in operations]


# Sums over hundreds of thousands of pixels, as the recipe has them, and a rate that lets decay be seen.
@pytest.mark.parametrize(("learning_rate", "scale"), [(1e-10, 1e7), (0.1, 0.1)])
def test_heavy_steps_are_those_of_caffe(learning_rate: float, scale: float) -> None:
    """Three steps of the `heavy` recipe on every variable of a net, worked in NumPy."""
    config = TrainConfig(
        steps=9,
        learning_rate=learning_rate,
        learning_rate_multipliers={"*/bias": 2.0},
        momentum=0.99,
        weight_decay=5e-4,
    )
    net = thin(upsampling="frozen")
    variables = net.trainable_variables
    assert not any("upscore" in variable.path for variable in variables)
    optimizer = build_optimizer(config, net, LossConfig(reduction="sum"))
    optimizer.build(variables)
    weights = [array(variable) for variable in variables]
    velocities = [np.zeros_like(weight) for weight in weights]
    for seed in range(3):
        gradients = random_like(variables, seed, scale)
        optimizer.apply([keras.ops.array(gradient) for gradient in gradients])
        for index, gradient in enumerate(gradients):
            bias = variables[index].name == "bias"
            rate, decay = (2 * learning_rate, 0.0) if bias else (learning_rate, 5e-4)
            step = gradient + np.float32(decay) * weights[index]
            velocities[index] = np.float32(0.99) * velocities[index] + np.float32(rate) * step
            weights[index] = weights[index] - velocities[index]
    for index, variable in enumerate(variables):
        key = variable_key(variable)
        velocity = array(optimizer.variables[1 + index])
        np.testing.assert_allclose(velocity, velocities[index], rtol=2e-6, atol=1e-8, err_msg=key)
        np.testing.assert_allclose(array(variable), weights[index], rtol=2e-6, atol=1e-8, err_msg=key)


@pytest.mark.slow
def test_adamw_is_that_of_keras_at_each_variables_own_rate() -> None:
    factors = {"*/bias": 2.0, "score_fr/*": 5.0}
    config = TrainConfig(
        optimizer="adamw", learning_rate=0.01, learning_rate_multipliers=factors, weight_decay=0.1, steps=9
    )
    net, twin = thin(stride=32), thin(stride=32)
    twin.set_weights(net.get_weights())
    optimizer = build_optimizer(config, net)
    optimizer.build(net.trainable_variables)
    singles = []
    for variable in twin.trainable_variables:
        key = variable_key(variable)
        rate = 0.01 * (2.0 if key.endswith("bias") else 1.0) * (5.0 if key.startswith("score_fr") else 1.0)
        decay = 0.1 if key.endswith("kernel") else 0.0
        singles.append(keras.optimizers.AdamW(rate, weight_decay=decay))
    for seed in range(4):
        gradients = [keras.ops.array(gradient) for gradient in random_like(net.trainable_variables, seed)]
        optimizer.apply(gradients)
        for single, variable, gradient in zip(singles, twin.trainable_variables, gradients, strict=True):
            single.apply([gradient], [variable])
    for one, other in zip(net.trainable_variables, twin.trainable_variables, strict=True):
        np.testing.assert_allclose(array(one), array(other), rtol=1e-5, atol=1e-6, err_msg=one.path)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_decay_acts_on_kernels_only(name: str) -> None:
    optimizer = build_optimizer(TrainConfig(optimizer=name, learning_rate=0.1, steps=9, weight_decay=0.5))
    variables = [keras.Variable([1.0], name=name) for name in ("kernel", "bias", "gamma", "beta")]
    optimizer.build(variables)
    optimizer.apply([keras.ops.zeros(1)] * 4)
    assert [array(variable)[0] for variable in variables] == pytest.approx([1 - 0.1 * 0.5, 1, 1, 1])


def test_constant_stays() -> None:
    optimizer = build_optimizer(TrainConfig(learning_rate=0.25, steps=10, schedule="constant"))
    variable = keras.Variable([1.0])
    optimizer.build([variable])
    for _ in range(10):
        assert float(optimizer.learning_rate) == pytest.approx(0.25)
        optimizer.apply([keras.ops.zeros(1)])


def test_gradients_are_clipped_together() -> None:
    # (3, 4) together have the norm 5; clipped to 1 that is (0.6, 0.8). (0.3, 0.4) stays.
    variables = [keras.Variable([0.0]), keras.Variable([0.0])]
    config = TrainConfig(learning_rate=1.0, momentum=0.0, steps=9, weight_decay=0.0, clip_norm=1.0)
    optimizer = build_optimizer(config)
    optimizer.build(variables)
    optimizer.apply([keras.ops.array([3.0]), keras.ops.array([4.0])])
    assert [array(variable)[0] for variable in variables] == pytest.approx([-0.6, -0.8])
    optimizer.apply([keras.ops.array([0.3]), keras.ops.array([0.4])])
    assert [array(variable)[0] for variable in variables] == pytest.approx([-0.9, -1.2])
    optimizer.apply([keras.ops.zeros(1), keras.ops.zeros(1)])
    assert [array(variable)[0] for variable in variables] == pytest.approx([-0.9, -1.2])


def test_a_net_with_frozen_layers_learns_the_others(rng) -> None:
    net = thin(stride=32)
    net.get_layer("block1_conv1").trainable = False
    config = TrainConfig(steps=9, learning_rate_multipliers={"score_*": 10.0})
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(build_optimizer(config, net), loss, jit_compile=keras.backend.backend() == "jax")
    images = rng.uniform(0, 255, (2, 16, 16, 3)).astype(np.float32)
    before = [array(net.get_layer(layer).kernel) for layer in ("block1_conv1", "score_fr")]
    net.train_on_batch(images, np.ones((2, 16, 16), np.int32))
    after = [array(net.get_layer(layer).kernel) for layer in ("block1_conv1", "score_fr")]
    assert (before[0] == after[0]).all()
    assert (before[1] != after[1]).any()


def test_patterns_are_checked_against_the_net() -> None:
    config = TrainConfig(learning_rate_multipliers={"scoer_*": 10.0})
    with pytest.raises(ConfigError, match="scoer_"):
        build_optimizer(config, thin())
    build_optimizer(config)


@pytest.mark.parametrize("kind", [CaffeSGD, LayerwiseAdamW])
def test_an_optimizer_is_made_again_from_its_configuration(kind: type) -> None:
    options = {"momentum": 0.7} if kind is CaffeSGD else {}
    optimizer = kind(
        PolySchedule(0.1, 10, 0.9, 2),
        kernel_decay=0.01,
        multipliers={"*/bias": 2.0},
        clip_norm=3.0,
        accumulate=4,
        reduction="sum",
        **options,
    )
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is kind
    assert again.get_config() == optimizer.get_config()
    assert again.multipliers == {"*/bias": 2.0}


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="reduction='average'"):
        CaffeSGD(0.1, 0.9, kernel_decay=0.0, reduction="average")
    with pytest.raises(ValueError, match="accumulate=0"):
        CaffeSGD(0.1, 0.9, kernel_decay=0.0, accumulate=0)
