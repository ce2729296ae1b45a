"""Labels with a Keras net on JAX or PyTorch."""

from abc import ABC, abstractmethod
from functools import lru_cache, partial
from typing import Any

import keras
import numpy as np

from fcn.data.image_io import Pixels
from fcn.inference.engines.engine import Floats, Labeled, NetEngine, memory_errors
from fcn.models.fields import NetDescription
from fcn.models.net import SegmentationNet
from fcn.outputs.temperature import Temperatures

_COMPILED_SIZES = 16
"""Number of image sizes for which JAX keeps programs; each takes megabytes, and data sets have hundreds."""


class _BackendEngine(ABC):
    """An engine that calls the net on JAX or PyTorch.

    Args:
        model: The net; each call uses its current weights.
        precision: The precision in which the net computes.
    """

    def __init__(self, model: SegmentationNet, precision: str) -> None:
        self.classes = model.classes
        self.precision = precision
        self.net = NetDescription.from_config(model.get_config())
        self.bits = self.net.bits
        self._temperatures = Temperatures.of(self.net.temperatures)
        self._model = model
        self._layers = model.without_resizing()

    def logits(self, images: Pixels) -> Floats:
        """Returns `float32[B, H, W, C]` for images `uint8[B, H, W, 3]`, RGB."""
        return self._logits_of(self._model, images)

    def shrunk_logits(self, images: Floats) -> Floats:
        """Returns `float32[B, h, w, C]` for images `float32[B, h, w, 3]` at the size of the layers' input."""
        return self._logits_of(self._layers, images)

    @abstractmethod
    def _logits_of(self, model: Any, images: Any) -> Floats:
        """Returns the logits of the net, or of its layers without resizing, on the host."""


class JaxEngine(_BackendEngine):
    """An engine with one program for each image size, compiled at first use; the last few are kept.

    It runs on one device of this process with the weights there, so a single process may call it even if
    several processes hold the net.
    """

    name = "jax"

    def __init__(self, model: SegmentationNet, precision: str) -> None:
        import jax

        super().__init__(model, precision)
        temperatures = self._temperatures

        def logits(model: Any, weights: Any, others: Any, images: Any) -> Any:
            scores, _ = model.stateless_call(weights, others, images.astype(np.float32), training=False)
            return scores

        def label(model: Any, weights: Any, others: Any, images: Any) -> Any:
            scores = logits(model, weights, others, images)
            classes = scores.argmax(axis=-1)
            if temperatures is not None:
                scores = scores * _factors(temperatures, jax.numpy.asarray(temperatures.inverse), classes)
            return classes.astype(np.uint8), jax.nn.softmax(scores, axis=-1).max(axis=-1)

        @lru_cache(maxsize=_COMPILED_SIZES)
        def compiled(function: Any, model: Any, *size: int) -> Any:
            # JAX keeps compiled programs as long as their function, so each size gets its own function.
            del size
            return jax.jit(partial(function, model))

        self._logits, self._label, self._compiled = logits, label, compiled

    def label(self, images: Pixels) -> Labeled:
        """Labels images `uint8[B, H, W, 3]`, RGB."""
        with memory_errors():
            label, confidence = self._run(self._label, self._model, images)
            return Labeled(np.asarray(label), np.asarray(confidence))

    def _logits_of(self, model: Any, images: Any) -> Floats:
        with memory_errors():
            return np.asarray(self._run(self._logits, model, images))

    def _run(self, function: Any, model: Any, images: Any) -> Any:
        weights = [weight.value.addressable_data(0) for weight in model.trainable_variables]
        others = [weight.value.addressable_data(0) for weight in model.non_trainable_variables]
        return self._compiled(function, model, *images.shape)(weights, others, images)


class TorchEngine(_BackendEngine):
    """An engine that copies only labels and their probabilities back from the device.

    It does not use PyTorch's inference mode: a net that is scored during training may keep tensors made here.
    """

    name = "torch"

    def label(self, images: Pixels) -> Labeled:
        """Labels images `uint8[B, H, W, 3]`, RGB."""
        import torch

        with torch.no_grad(), memory_errors():
            logits = self._run(self._model, images)
            if self._temperatures is None:
                confidence, label = logits.softmax(-1).max(-1)
            else:
                label = logits.argmax(-1)
                inverse = torch.from_numpy(self._temperatures.inverse).to(logits.device)
                confidence = (logits * _factors(self._temperatures, inverse, label)).softmax(-1).amax(-1)
            return Labeled(label.to(torch.uint8).cpu().numpy(), confidence.cpu().numpy())

    def _logits_of(self, model: Any, images: Any) -> Floats:
        import torch

        with torch.no_grad(), memory_errors():
            logits: Floats = self._run(model, images).cpu().numpy()
        return logits

    def _run(self, model: Any, images: Any) -> Any:
        return model(keras.ops.cast(keras.ops.convert_to_tensor(images), "float32"), training=False)


def _factors(temperatures: Temperatures, inverse: Any, label: Any) -> Any:
    """Returns what the scores of each pixel are multiplied with, by the class of its label.

    Args:
        temperatures: Those of a calibrated net.
        inverse: One over each, as an array of the backend.
        label: Class ids, of any whole type.
    """
    return inverse[label][..., None] if temperatures.per_class else inverse[0]


def keras_engine(model: SegmentationNet, precision: str) -> NetEngine:
    """Returns the engine of the backend that Keras runs on."""
    on_jax = keras.backend.backend() == "jax"
    return JaxEngine(model, precision) if on_jax else TorchEngine(model, precision)
