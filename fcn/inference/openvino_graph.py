"""A net in OpenVINO's form, made by way of TensorFlow."""

from pathlib import Path
from typing import Any

import tensorflow as tf

from fcn.errors import RunError
from fcn.inference.openvino_engine import import_openvino
from fcn.models.fcn import FCN
from fcn.models.patches import ordinary_convolutions

_IMAGES = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")


def convert_net(model: FCN) -> Any:
    """Returns `openvino.Model` from images `uint8[B, H, W, 3]` RGB to logits `float32[B, H, W, C]`.

    Its convolutions are convolutions, fc6 too: gathered patches, which TensorFlow multiplies faster, take
    OpenVINO three times as long.

    Raises:
        BackendError: If OpenVINO is not installed.
    """
    openvino = import_openvino()

    @tf.function(input_signature=[_IMAGES])  # type: ignore[untyped-decorator]
    def logits(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"logits": model(tf.cast(images, tf.float32), training=False)}

    with ordinary_convolutions():
        return openvino.convert_model(logits.get_concrete_function())


def convert_exported(version: Path) -> Any:
    """Returns the same for a SavedModel, its graph as it is, which may be slower than `convert_net`'s.

    Args:
        version: Folder of the version.

    Raises:
        BackendError: If OpenVINO is not installed.
        RunError: If it cannot be read.
    """
    openvino = import_openvino()
    try:
        exported = tf.saved_model.load(str(version))
        return openvino.convert_model(exported.signatures["predict_logits"])
    except Exception as error:  # both raise whatever their parsers raise on a damaged file
        raise RunError(
            f"{version}: cannot be read as a model exported by this package ({error}). Export it again."
        ) from error
