"""Writes a net in the LiteRT (TensorFlow Lite) format, for phones and small computers."""

import tempfile
from pathlib import Path

import tensorflow as tf

from fcn.errors import OutputError
from fcn.inference.engines.exported import litert_file
from fcn.inference.engines.litert import SHRUNK_SIGNATURE, SIGNATURE
from fcn.models.net import SegmentationNet
from fcn.models.patches import ordinary_convolutions

_ONE_IMAGE = tf.TensorSpec([1, None, None, 3], tf.uint8, name="images")
_ONE_SHRUNK_IMAGE = tf.TensorSpec([1, None, None, 3], tf.float32, name="images")


def write_litert(net: SegmentationNet, version: Path) -> Path:
    """Writes a net as `litert/model.tflite` into an exported version.

    Its signature "predict" takes `images: uint8[1, H, W, 3]` RGB, one image of any size, and answers `label:
    uint8[1, H, W]` and `logits: float32[1, H, W, C]`, computed in float32 by LiteRT's own operations alone.
    Without its signature, call `resize_tensor_input` for each new size. The file of a net with an
    `input_scale` has another one, "predict_shrunk_logits", with which large images are labeled in pieces:
    from `images: float32[1, h, w, 3]` that are shrunk already to `logits`. Both use the same weights.

    Args:
        net: The net. For a full one the converter takes six times as much memory as the weights, and a
            minute.
        version: Folder of the version.

    Returns:
        The file.

    Raises:
        OutputError: If the folder cannot be written to or the disk is full.
    """

    @tf.function(input_signature=[_ONE_IMAGE], autograph=False)  # type: ignore[untyped-decorator]
    def predict(images: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = net(tf.cast(images, tf.float32), training=False)
        return {"label": tf.cast(tf.argmax(logits, -1, output_type=tf.int32), tf.uint8), "logits": logits}

    layers = net.without_resizing()

    @tf.function(input_signature=[_ONE_SHRUNK_IMAGE], autograph=False)  # type: ignore[untyped-decorator]
    def predict_shrunk(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"logits": layers(images, training=False)}

    signatures = {SIGNATURE: predict}
    if net.input_scale != 1:
        signatures[SHRUNK_SIGNATURE] = predict_shrunk
    served = tf.Module()
    served.weights = [variable.value for variable in net.variables]
    path = litert_file(version)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # By way of a SavedModel, since a graph alone gives a file without a signature.
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            with ordinary_convolutions():
                tf.saved_model.save(served, folder, signatures=signatures)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[*signatures])
            path.write_bytes(converter.convert())
    except (OSError, tf.errors.OpError) as error:
        raise OutputError(
            f"{path}: cannot be written ({error}). Free space or choose a folder you may write to."
        ) from error
    return path
