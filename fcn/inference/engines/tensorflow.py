"""Labels with TensorFlow: a Keras net or an exported model."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from fcn.classes import Classes
from fcn.data.image_io import Pixels
from fcn.data.pillow_decoding import MOST_BITS
from fcn.errors import RunError
from fcn.inference.engines.dilation import scoring
from fcn.inference.engines.engine import Floats, Labeled
from fcn.inference.engines.exported import check_num_classes, exported_classes, exported_net
from fcn.inference.engines.saved_model_check import check_saved_model
from fcn.models.fields import NetDescription
from fcn.models.net import SegmentationNet
from fcn.models.patches import tensorflow_on_cpu
from fcn.outputs.temperature import Temperatures
from fcn.runs.model_file import exported_version
from fcn.system.bfloat16 import bfloat16_graphs

_IMAGES = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
_SHRUNK_IMAGES = tf.TensorSpec([None, None, None, 3], tf.float32, name="images")

_Compute = Callable[[Any], Any]


class TensorFlowEngine:
    """An engine with one graph for all image sizes.

    Args:
        classes: The names and colors of the classes.
        compute: From `uint8[B, H, W, 3]` RGB to logits `float32[B, H, W, C]`, on tensors.
        precision: "float32", or on a CPU "bfloat16".
        net: The description of the net, if known.
        compute_shrunk: From `float32[B, h, w, 3]` RGB at the size of the layers' input to logits
            `float32[B, h, w, C]`.

    Attributes:
        classes: The names and colors of the classes.
        precision: The precision in which it computes.
        bits: How many bits the values of image files of 16 bits use.
        net: The description of the net; None for an export of an old version without one.
    """

    name = "tensorflow"

    def __init__(
        self,
        classes: Classes,
        compute: _Compute,
        precision: str,
        net: NetDescription | None = None,
        compute_shrunk: _Compute | None = None,
    ) -> None:
        self.classes = classes
        self.precision = precision
        self.net = net
        self.bits = MOST_BITS if net is None else net.bits
        temperatures = Temperatures.of(None if net is None else net.temperatures)

        @tf.function(input_signature=[_IMAGES], autograph=False)  # type: ignore[untyped-decorator]
        def logits(images: tf.Tensor) -> tf.Tensor:
            return compute(images)

        @tf.function(input_signature=[_IMAGES], autograph=False)  # type: ignore[untyped-decorator]
        def label(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            scores = compute(images)
            classes = tf.cast(tf.argmax(scores, axis=-1, output_type=tf.int32), tf.uint8)
            scores = divide_scores(scores, classes, temperatures)
            return classes, tf.exp(tf.reduce_max(scores, axis=-1) - tf.reduce_logsumexp(scores, axis=-1))

        self._logits, self._label = logits, label
        self._shrunk_logits = tf.function(
            compute_shrunk or compute, input_signature=[_SHRUNK_IMAGES], autograph=False
        )

    def label(self, images: Pixels) -> Labeled:
        """Labels images `uint8[B, H, W, 3]`, RGB."""
        label, confidence = self._run(self._label, images)
        return Labeled(label.numpy(), confidence.numpy())

    def logits(self, images: Pixels) -> Floats:
        """Returns `float32[B, H, W, C]` for images `uint8[B, H, W, 3]`, RGB."""
        logits: Floats = self._run(self._logits, images).numpy()
        return logits

    def shrunk_logits(self, images: Floats) -> Floats:
        """Returns `float32[B, h, w, C]` for images `float32[B, h, w, 3]` at the size of the layers' input."""
        logits: Floats = self._run(self._shrunk_logits, images).numpy()
        return logits

    def _run(self, function: Any, images: Any) -> Any:
        # TensorFlow rewrites a graph when it first runs, once for each value of the option.
        try:
            with bfloat16_graphs(self.precision == "bfloat16"):
                return function(images)
        except tf.errors.ResourceExhaustedError as error:
            raise MemoryError(error.message) from error


def divide_scores(scores: tf.Tensor, label: tf.Tensor, temperatures: Temperatures | None) -> tf.Tensor:
    """Divides scores, `float32[B, H, W, C]`, by the temperatures of a calibrated net.

    Args:
        scores: The scores.
        label: `uint8[B, H, W]`, the most probable class of each pixel, which has the temperature of that.
        temperatures: The temperatures; None to return the scores as they are.
    """
    if temperatures is None:
        return scores
    if not temperatures.per_class:
        return scores * temperatures.inverse[0]
    return scores * tf.gather(temperatures.inverse, tf.cast(label, tf.int32))[..., tf.newaxis]


def net_engine(model: SegmentationNet, precision: str) -> TensorFlowEngine:
    """Returns the engine of a net; each call uses the net's current weights."""
    score, score_shrunk = (_computing(net) for net in (model, model.without_resizing()))
    return TensorFlowEngine(
        model.classes,
        lambda images: score(tf.cast(images, tf.float32)),
        precision,
        NetDescription.from_config(model.get_config()),
        score_shrunk,
    )


def _computing(model: keras.Model) -> _Compute:
    # Dilating kernels were measured on CPUs only; elsewhere a net is computed as in training.
    return scoring(model) if tensorflow_on_cpu() else partial(model, training=False)


def exported_engine(path: Path, precision: str, trust: bool = False) -> TensorFlowEngine:
    """Loads a SavedModel; of several versions the highest.

    Args:
        path: Folder of a version, or of versions.
        precision: "float32", or on a CPU "bfloat16".
        trust: Whether to load also operations that no export of this package has.

    Raises:
        RunError: If it cannot be read, or its files do not agree on the number of classes.
        TrustError: If it has such operations.
    """
    folder = exported_version(path)
    if not trust:
        check_saved_model(folder)
    try:
        exported = tf.saved_model.load(str(folder))
        predict = exported.signatures["predict_logits"]
        # Only nets with an `input_scale` have it.
        predict_shrunk = exported.signatures.get("predict_shrunk_logits", predict)
    except Exception as error:  # on a damaged file TensorFlow raises any error of its parsers
        raise RunError(
            f"{folder}: cannot be read as a model exported by this package ({error}). Export it again."
        ) from error
    for signature in (predict, predict_shrunk):
        check_num_classes(folder, folder / "saved_model.pb", _num_scores(signature))
    engine = TensorFlowEngine(
        exported_classes(folder),
        lambda images: predict(images=images)["logits"],
        precision,
        exported_net(folder),
        lambda images: predict_shrunk(images=images)["logits"],
    )
    engine.exported = exported  # type: ignore[attr-defined]  # signatures do not keep their model alive
    return engine


def _num_scores(signature: Any) -> int | None:
    """Returns how many scores a loaded signature computes for a pixel; None if its graph does not say."""
    logits = signature.structured_outputs.get("logits")
    shape = getattr(logits, "shape", None)
    return None if shape is None or not shape.rank else shape[-1]
