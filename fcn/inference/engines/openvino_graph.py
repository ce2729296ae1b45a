"""A net in OpenVINO's form, made by way of TensorFlow."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fcn.errors import BackendError, RunError
from fcn.inference.engines.openvino import import_openvino
from fcn.models.net import SegmentationNet
from fcn.models.patches import ordinary_convolutions

_IMAGES = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
_SHRUNK_IMAGES = tf.TensorSpec([None, None, None, 3], tf.float32, name="images")
_CHECKED_SIZE = (45, 67)
_TOLERANCE = 1e-3
"""Of the largest logit: well above rounding in float32, well below what another net says."""


def convert_net(model: SegmentationNet) -> Any:
    """Returns `openvino.Model` from images `uint8[B, H, W, 3]` RGB to logits `float32[B, H, W, C]`.

    Its convolutions are convolutions, fc6 too: gathered patches, which TensorFlow multiplies faster, take
    OpenVINO three times as long.

    Raises:
        BackendError: If OpenVINO is not installed, or reads the net as another one.
    """
    return _convert(model, _IMAGES)


def convert_layers(model: SegmentationNet) -> Any:
    """Returns the same of the net without resizing, from `float32[B, h, w, 3]` at its `input_scale`.

    Raises:
        BackendError: If OpenVINO is not installed, or reads the net as another one.
    """
    return _convert(model.without_resizing(), _SHRUNK_IMAGES)


def _convert(model: keras.Model, images_like: tf.TensorSpec) -> Any:
    @tf.function(input_signature=[images_like])  # type: ignore[untyped-decorator]
    def logits(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"logits": model(tf.cast(images, tf.float32), training=False)}

    with ordinary_convolutions():
        function = logits.get_concrete_function()
        return _checked(_read(function), function)


def convert_exported(version: Path, signature: str = "predict_logits") -> Any:
    """Returns the same for a SavedModel, its graph as it is, which may be slower than `convert_net`'s.

    Args:
        version: Folder of the version.
        signature: What is converted: "predict_logits" or "predict_shrunk_logits".

    Raises:
        BackendError: If OpenVINO is not installed, or reads the graph as another one.
        RunError: If it cannot be read.
    """
    import_openvino()  # what is missing is no fault of the file
    try:
        exported = tf.saved_model.load(str(version))  # signatures do not keep their model alive
        function = exported.signatures[signature]
        model = _read(function)
    except Exception as error:  # both raise whatever their parsers raise on a damaged file
        raise RunError(
            f"{version}: cannot be read as a model exported by this package ({error}). Export it again."
        ) from error
    return _checked(model, function)


def _read(function: Any) -> Any:
    """Returns `openvino.Model` of a function of TensorFlow."""
    openvino = import_openvino()
    from openvino.frontend.tensorflow import utils

    # On Python 3.13, OpenVINO 2026.4 finds out which TensorFlow there is by way of a name that `exec` has
    # forgotten, and fails.
    utils.get_environment_setup = lambda _: {"tensorflow": tf.__version__}
    return openvino.convert_model(function)


def _checked(model: Any, function: Any) -> Any:
    """Returns `model` if it computes what the graph does that it was made from.

    OpenVINO 2026.4 reads an explicit padding in front of a convolution with padding "same" as another net,
    and says nothing.
    """
    image = np.random.default_rng(0).integers(0, 256, (1, *_CHECKED_SIZE, 3), np.uint8)
    image = image.astype(function.inputs[0].dtype.as_numpy_dtype)
    expected = function(images=tf.constant(image))["logits"].numpy()
    compiled = import_openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    difference = np.abs(compiled(image)[0] - expected).max()
    if difference > _TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise BackendError(
            f"engine=openvino: OpenVINO reads this net as another one (logits differ by {difference:.2g}). "
            "Export the run again with this version of fcn, or use engine=tensorflow."
        )
    return model
