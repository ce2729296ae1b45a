"""How much the channels of each layer matter."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from fcn.data.image_io import Pixels
from fcn.models.net import SegmentationNet
from fcn.slimming.connections import LAYERS, find_normalizations
from fcn.slimming.elimination import measure_reconstruction
from fcn.slimming.moments import Moments
from fcn.slimming.options import Criterion
from fcn.system.progress import track

Importance = dict[str, npt.NDArray[np.float64]]
"""A number of at least 0 for each channel of each of `LAYERS`."""

Examples = Sequence[tuple[Pixels, Pixels]]
"""Images `uint8[H, W, 3]` with their labels `uint8[H, W]`."""


def measure_importance(
    net: SegmentationNet,
    criterion: Criterion,
    examples: Examples,
    loss: Any,
    moments: Mapping[str, Moments] | None,
) -> Importance:
    """Measures how much the channels of each layer matter.

    Args:
        net: The net, which is not changed.
        criterion: "reconstruction": what the layers that read a channel lose for good if the others make up
            for it (`fcn.slimming.elimination.measure_reconstruction`); "taylor": the square of a channel's
            part of the loss, to first order, on average over the examples (Molchanov et al., "Importance
            estimation for neural network pruning", CVPR 2019); "activation": its mean value behind the ReLU;
            "norm": the sum of the absolute weights of its filter (Li et al., "Pruning filters for efficient
            ConvNets", ICLR 2017).
        examples: Of the training split, for "taylor" and "activation".
        loss: The Keras loss that the net is trained with, for "taylor".
        moments: As measured on the net, for "reconstruction".

    Raises:
        ValueError: If "reconstruction" has no moments.
    """
    if criterion == "reconstruction":
        if moments is None:
            raise ValueError("Expected moments for criterion='reconstruction'. Received: None.")
        return measure_reconstruction(net, moments)
    if criterion == "norm":
        kernels = {name: np.asarray(net.get_layer(name).get_weights()[0], np.float64) for name in LAYERS}
        return {name: np.abs(kernel).sum(axis=(0, 1, 2)) for name, kernel in kernels.items()}
    if criterion == "activation":
        return _mean_activations(net, [image for image, _ in examples])
    return _taylor(net, examples, loss)


def make_comparable(importance: Mapping[str, npt.NDArray[np.float64]], criterion: Criterion) -> Importance:
    """Returns an importance that can be compared from layer to layer.

    Shares of an error and parts of the loss can. Activations and norms differ in size from layer to layer,
    so they are divided by the mean of their layer.
    """
    if criterion in ("reconstruction", "taylor"):
        return dict(importance)
    return {name: values / max(float(values.mean()), 1e-30) for name, values in importance.items()}


def _mean_activations(net: SegmentationNet, images: Iterable[Pixels]) -> Importance:
    outputs = [net.get_layer(f"{name}_relu").output for name in LAYERS]
    means = keras.Model(net.input, [keras.ops.mean(output, axis=(0, 1, 2)) for output in outputs])
    total: dict[str, Any] = dict.fromkeys(LAYERS, 0.0)
    count = 0
    for image in images:
        found = means(image[np.newaxis].astype(np.float32), training=False)
        for name, values in zip(LAYERS, found, strict=True):
            total[name] = total[name] + keras.ops.convert_to_numpy(values).astype(np.float64)
        count += 1
    return {name: values / count for name, values in total.items()}


def _taylor(net: SegmentationNet, examples: Examples, loss: Any) -> Importance:
    """Returns the mean square of `gradient * value` of a gate behind each channel.

    A gate that is 1 multiplies what the channel's own weights make: its gradient is the sum of
    `gradient * weight` over these. They are those of the normalization if there is one, else kernel and bias.
    """
    own = {name: name for name in LAYERS} | find_normalizations(net)
    recorder = _GateGradients()
    total: dict[str, Any] = dict.fromkeys(LAYERS, 0.0)
    with _trainable(net, set(own.values())):
        probe = _InInferenceMode(net)
        probe.compile(optimizer=recorder, loss=loss, jit_compile=False)
        recorder.build(probe.trainable_variables)
        gates = dict(zip((id(one) for one in probe.trainable_variables), recorder.gates, strict=True))
        for image, label in track(examples, "measuring importance", len(examples), lines=True):
            probe.train_on_batch(image[np.newaxis].astype(np.float32), label[np.newaxis])
            for name in LAYERS:
                parts = [gates[id(one)] for one in net.get_layer(own[name]).trainable_variables]
                gate = sum(keras.ops.convert_to_numpy(part).astype(np.float64) for part in parts)
                total[name] = total[name] + np.square(gate)
    return {name: values / len(examples) for name, values in total.items()}


class _InInferenceMode(keras.Model):  # type: ignore[misc]
    """A model that runs another one in inference mode while it learns.

    Args:
        model: The model.
    """

    def __init__(self, model: keras.Model) -> None:
        super().__init__(name="probe")
        self.model = model

    def call(self, images: Any) -> Any:
        """Returns the output of the model."""
        return self.model(images, training=False)


class _GateGradients(keras.optimizers.Optimizer):  # type: ignore[misc]
    """An optimizer that changes no weight, and keeps the sum of `gradient * weight` for each last index.

    Attributes:
        gates: These sums, a variable for each weight; of the last batch.
    """

    def __init__(self) -> None:
        super().__init__(learning_rate=1.0, name="gate_gradients")
        self.gates: list[Any] = []

    def build(self, variables: Sequence[Any]) -> None:
        """Creates the sums."""
        if self.built:
            return
        super().build(variables)
        self.gates = [
            self.add_variable((one.shape[-1],), initializer="zeros", name=f"gate_{index}")
            for index, one in enumerate(variables)
        ]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:  # noqa: ARG002
        """Keeps the sums of one weight; Keras calls it for each."""
        product = keras.ops.cast(gradient, "float32") * keras.ops.cast(variable, "float32")
        gate = keras.ops.sum(product, axis=tuple(range(len(variable.shape) - 1)))
        self.assign(self.gates[self._get_variable_index(variable)], gate)


@contextmanager
def _trainable(net: keras.Model, wanted: set[str]) -> Any:
    """Lets only some layers of a net be trained for a while."""
    layers = [net, *net.layers]
    before = [layer.trainable for layer in layers]
    net.trainable = True
    for layer in net.layers:
        layer.trainable = layer.name in wanted
    try:
        yield
    finally:
        for layer, trainable in zip(layers, before, strict=True):
            layer.trainable = trainable
