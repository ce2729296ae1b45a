"""Two devices of TensorFlow, in a process of their own: devices are fixed once one was used."""

import json
import subprocess
from pathlib import Path

import keras
import pytest

pytestmark = pytest.mark.slow

if keras.backend.backend() != "tensorflow":
    pytest.skip("replicas are TensorFlow's", allow_module_level=True)

# One step of each reduction, on one device and on two. The first image, which is the first replica's
# part, has fewer labeled pixels than the second.
PROGRAM = """
import json

import keras
import numpy as np
import tensorflow as tf

from fcn.config.sections import LossConfig
from fcn.training.loss import build_loss

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
rng = np.random.default_rng(0)
image = rng.standard_normal((2, 4, 4, 3)).astype(np.float32)
label = rng.integers(0, 3, (2, 4, 4))
label[0, :3] = 255
weights = [0.5, 1.0, 4.0]
config = LossConfig(
    terms={"cross_entropy": 1.0, "focal": 0.5}, class_weights=tuple(weights), label_smoothing=0.1
)
summed = LossConfig.model_validate({**config.model_dump(), "reduction": "sum"})


def mean_over_replicas(weight):
    context = tf.distribute.get_replica_context()
    # Keras calls the loss once for its shapes alone, outside of all replicas.
    return weight if context is None else context.all_reduce("mean", weight)


def step(strategy, config, image, label, wired=False):
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(3, 1)])
        loss = build_loss(config, weights)
        if wired:
            loss.mean_over_replicas = mean_over_replicas
        model.compile(keras.optimizers.SGD(0.1), loss=loss, jit_compile=False)
    data = tf.data.Dataset.from_tensor_slices((image, label)).batch(len(image))
    [loss] = model.fit(data, verbose=0).history["loss"]
    return [loss, *(float(value) for weight in model.get_weights() for value in weight.ravel())]


one, two = tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
print(json.dumps({
    "mean": step(one, config, image, label),
    "mean, two": step(two, config, image, label),
    "mean, two, wired": step(two, config, image, label, wired=True),
    "first": step(one, config, image[:1], label[:1]),
    "second": step(one, config, image[1:], label[1:]),
    "sum": step(one, summed, image, label),
    "sum, two": step(two, summed, image, label),
}))
"""


@pytest.fixture(scope="module")
def steps(python: Path) -> dict[str, list[float]]:
    """The loss and all weights after a step."""
    done = subprocess.run([python, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_sum_over_two_replicas_is_that_of_one(steps: dict[str, list[float]]) -> None:
    assert steps["sum, two"] == pytest.approx(steps["sum"], rel=1e-5, abs=1e-6)


def test_a_mean_over_two_replicas_is_the_mean_of_theirs(steps: dict[str, list[float]]) -> None:
    halves = [(a + b) / 2 for a, b in zip(steps["first"], steps["second"], strict=True)]
    assert steps["mean, two"] == pytest.approx(halves, rel=1e-5, abs=1e-6)
    assert steps["mean, two"] != pytest.approx(steps["mean"], rel=1e-3)


def test_replicas_that_know_of_each_other_take_the_mean_over_all(
    steps: dict[str, list[float]],
) -> None:
    assert steps["mean, two, wired"] == pytest.approx(steps["mean"], rel=1e-5, abs=1e-6)
