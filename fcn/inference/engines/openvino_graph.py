"""Converts nets to OpenVINO's format through TensorFlow."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fcn.errors import BackendError, RunError
from fcn.inference.engines.dilation import scoring
from fcn.inference.engines.openvino import import_openvino
from fcn.inference.engines.saved_model_check import check_saved_model
from fcn.models.net import SegmentationNet
from fcn.models.patches import ordinary_convolutions

_IMAGES = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
_SHRUNK_IMAGES = tf.TensorSpec([None, None, None, 3], tf.float32, name="images")
_CHECKED_SIZE = (45, 67)
_TOLERANCE = 1e-3
"""Relative to the largest logit: well above rounding in float32, well below the difference of another net."""


def convert_net(model: SegmentationNet) -> Any:
    """Returns `openvino.Model` from images `uint8[B, H, W, 3]` RGB to logits `float32[B, H, W, C]`.

    All its convolutions stay convolutions, fc6 too: gathered patches, which are faster in TensorFlow, take
    three times as long in OpenVINO.

    Raises:
        BackendError: If OpenVINO is not installed, or converts the net wrongly.
    """
    return _convert(model, _IMAGES)


def convert_layers(model: SegmentationNet) -> Any:
    """Converts the net without resizing, from `float32[B, h, w, 3]` at its `input_scale`.

    Raises:
        BackendError: If OpenVINO is not installed, or converts the net wrongly.
    """
    return _convert(model.without_resizing(), _SHRUNK_IMAGES)


def _convert(model: keras.Model, images_like: tf.TensorSpec) -> Any:
    score = scoring(model)

    @tf.function(input_signature=[images_like], autograph=False)  # type: ignore[untyped-decorator]
    def logits(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"logits": score(tf.cast(images, tf.float32))}

    with ordinary_convolutions():
        function = logits.get_concrete_function()
        return _check_logits(_read(function), function)


def convert_exported(version: Path, signature: str = "predict_logits", trust: bool = False) -> Any:
    """Converts a SavedModel with its graph as it is, which may be slower than that of `convert_net`.

    Args:
        version: Folder of the version.
        signature: The signature to convert, "predict_logits" or "predict_shrunk_logits".
        trust: Whether to load also operations that no export of this package has.

    Raises:
        BackendError: If OpenVINO is not installed, or converts the graph wrongly.
        RunError: If it cannot be read.
        TrustError: If it has such operations.
    """
    import_openvino()  # outside of the block, which blames the file
    if not trust:
        check_saved_model(version)
    try:
        exported = tf.saved_model.load(str(version))  # signatures do not keep their model alive
        function = exported.signatures[signature]
        model = _read(function)
    except Exception as error:  # on a damaged file both raise any error of their parsers
        raise RunError(
            f"{version}: cannot be read as a model exported by this package ({error}). Export it again."
        ) from error
    return _check_logits(model, function)


def _read(function: Any) -> Any:
    """Converts a TensorFlow function to `openvino.Model`."""
    openvino = import_openvino()
    from openvino.frontend.tensorflow import utils

    # On Python 3.13, OpenVINO 2026.4 fails to look up TensorFlow's version, because it relies on a name that
    # `exec` no longer defines.
    utils.get_environment_setup = lambda _: {"tensorflow": tf.__version__}
    return openvino.convert_model(function)


def _check_logits(model: Any, function: Any) -> Any:
    """Returns `model` if its logits equal those of the graph it was converted from.

    Without a warning OpenVINO 2026.4 converts explicit padding before a "same" convolution wrongly.
    """
    image = np.random.default_rng(0).integers(0, 256, (1, *_CHECKED_SIZE, 3), np.uint8)
    image = image.astype(function.inputs[0].dtype.as_numpy_dtype)
    expected = function(images=tf.constant(image))["logits"].numpy()
    compiled = import_openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    difference = np.abs(compiled(image)[0] - expected).max()
    if difference > _TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise BackendError(
            f"engine=openvino: OpenVINO converts this net wrongly (logits differ by {difference:.2g}). "
            "Export the run again with this version of fcn, or use engine=tensorflow."
        )
    return model
