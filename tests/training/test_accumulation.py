"""A step in parts equals the step at once."""

import subprocess
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from fcn.config.sections import LossConfig, TrainConfig
from fcn.training.layerwise_optimizer import LayerwiseOptimizer
from fcn.training.optimizer import build_optimizer

IMAGES, CLASSES = 8, 3
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def examples() -> tuple[np.ndarray, np.ndarray]:
    """As many labeled pixels in each image: the mean of means is the mean."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((IMAGES, 6, 5, 3)).astype(np.float32)
    return images, rng.integers(0, CLASSES, (IMAGES, 6, 5)).astype(np.int32)


def built(accumulate: int, reduction: str = "mean", **train: Any) -> keras.Model:
    """A net without batch normalization; two steps of four images."""
    keras.utils.set_random_seed(1)
    net = keras.Sequential(
        [
            keras.Input((6, 5, 3)),
            keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="block1_conv1"),
            keras.layers.Conv2D(CLASSES, 1, name="score_fr"),
        ]
    )
    settings = {"steps": 2, "schedule": "poly", "learning_rate": 0.01, "weight_decay": 0.05, **train}
    config = TrainConfig(
        batch_size=4, accumulate=accumulate, learning_rate_multipliers={"score_*": 3.0}, **settings
    )
    optimizer = build_optimizer(config, net, LossConfig(reduction=reduction))
    reductions = {"mean": "sum_over_batch_size", "sum": "sum"}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reductions[reduction])
    net.compile(optimizer, loss, jit_compile=keras.backend.backend() == "jax")
    return net


def learn(net: keras.Model, examples: tuple[np.ndarray, np.ndarray], size: int) -> list[np.ndarray]:
    net.fit(*examples, batch_size=size, shuffle=False, verbose=0)
    return net.get_weights()


def iterations(optimizer: LayerwiseOptimizer) -> int:
    return int(keras.ops.convert_to_numpy(optimizer.iterations))


@pytest.mark.parametrize(
    ("name", "reduction", "clip_norm", "accumulate"),
    [
        ("sgd", "mean", None, 4),
        ("sgd", "mean", 0.1, 2),
        ("sgd", "sum", None, 4),
        ("sgd", "sum", 0.1, 4),
        ("adamw", "mean", 0.1, 4),
        ("adamw", "sum", None, 2),
    ],
)
def test_parts_make_the_step(name, reduction, clip_norm, accumulate, examples) -> None:
    options = {"optimizer": name, "clip_norm": clip_norm}
    at_once, in_parts = built(1, reduction, **options), built(accumulate, reduction, **options)
    before = at_once.get_weights()
    whole = learn(at_once, examples, size=4)
    parts = learn(in_parts, examples, size=4 // accumulate)
    assert iterations(in_parts.optimizer) == iterations(at_once.optimizer) == 2
    for start, one, other in zip(before, whole, parts, strict=True):
        assert np.abs(one - start).max() > 1e-4
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=2e-6)


def test_a_mean_averages_means_and_a_sum_adds_sums() -> None:
    # Gradients 1, 2, 6 of three parts: 3 on average, 9 in all.
    for reduction, change in (("mean", 3.0), ("sum", 9.0)):
        weight = keras.Variable([10.0])
        config = TrainConfig(
            steps=9, learning_rate=1.0, momentum=0.0, weight_decay=0.0, batch_size=3, accumulate=3
        )
        optimizer = build_optimizer(config, None, LossConfig(reduction=reduction))
        optimizer.build([weight])
        for gradient in (1.0, 2.0, 6.0):
            optimizer.apply([keras.ops.array([gradient])])
        assert float(weight[0]) == pytest.approx(10 - change)


def test_nothing_changes_before_the_last_part(examples) -> None:
    net = built(4)
    before = net.get_weights()
    for part in range(3):
        net.train_on_batch(examples[0][part : part + 1], examples[1][part : part + 1])
        assert iterations(net.optimizer) == 0
        assert int(net.optimizer.parts) == part + 1
    for one, other in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert float(net.optimizer.learning_rate) == pytest.approx(0.01)
    net.train_on_batch(examples[0][3:4], examples[1][3:4])
    assert iterations(net.optimizer) == 1
    assert int(net.optimizer.parts) == 0
    assert float(net.optimizer.learning_rate) == pytest.approx(0.01 * 0.5**0.9)
    assert any((one != other).any() for one, other in zip(before, net.get_weights(), strict=True))


@pytest.mark.parametrize(("name", "stop"), [("sgd", 2), ("sgd", 4), ("adamw", 7)])
def test_a_saved_training_goes_on_within_a_step(name: str, stop: int, examples, tmp_path: Path) -> None:
    net, path = built(4, optimizer=name), tmp_path / "net.keras"
    images, labels = examples
    for part in range(stop):
        net.train_on_batch(images[part : part + 1], labels[part : part + 1])
    net.save(path)
    again = built(4, optimizer=name)
    again.optimizer.build(again.trainable_variables)
    again.load_weights(path)
    loaded = keras.models.load_model(path)  # optimizer and all
    for part in range(stop, IMAGES):
        for each in (net, again, loaded):
            each.train_on_batch(images[part : part + 1], labels[part : part + 1])
    for other in (again, loaded):
        assert iterations(other.optimizer) == 2
        pairs = zip(
            net.weights + net.optimizer.variables, other.weights + other.optimizer.variables, strict=True
        )
        for one, same in pairs:
            np.testing.assert_array_equal(
                keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(same), err_msg=one.path
            )


TWO_DEVICES = """
import numpy as np
import tensorflow as tf
import keras
from contextlib import nullcontext
from fcn.config.sections import TrainConfig
from fcn.training.optimizer import build_optimizer

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
rng = np.random.default_rng(0)
images, labels = rng.normal(size=(16, 2)).astype("f"), rng.normal(size=(16, 1)).astype("f")
for name in ("sgd", "adamw"):
    weights = []
    for strategy in (None, tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
        with strategy.scope() if strategy else nullcontext():
            keras.utils.set_random_seed(0)
            net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
            config = TrainConfig(
                steps=2, optimizer=name, learning_rate=0.1, clip_norm=0.5, batch_size=8, accumulate=2
            )
            net.compile(build_optimizer(config, net), "mse", jit_compile=False)
        net.fit(images, labels, batch_size=4, shuffle=False, verbose=0)
        weights.append(np.concatenate([array.ravel() for array in net.get_weights()]))
    np.testing.assert_allclose(*weights, rtol=1e-5, atol=1e-6)
    print("equal")
"""


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="MirroredStrategy is TensorFlow's")
def test_two_devices_clip_and_accumulate_as_one(python: Path) -> None:
    done = subprocess.run([python, "-c", TWO_DEVICES], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["equal", "equal"], done.stderr
