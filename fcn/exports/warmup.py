"""Writes the warm-up requests that TensorFlow Serving answers before it reports a version as ready.

TensorFlow prepares much when a graph first runs, and a first request would wait for it. Therefore the server
reads requests from `assets.extra/tf_serving_warmup_requests` in a version that it has loaded (its
documentation, "SavedModel Warmup"): records of its message `PredictionLog`. They name a signature but no
model: the server sends them to the version that contains them, under any name.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from fcn.data.generated.scene import draw_scene
from fcn.data.image_io import Pixels, encode_jpeg, encode_png
from fcn.inference.engines.exported import WARMUP
from fcn.inference.engines.signatures import PREDICT_LOGITS, PREDICT_TENSOR, SERVING_DEFAULT
from fcn.system.protobuf import field

_SIZE = (240, 320)
_SMALL = 64

# Numbers of fields in TensorFlow Serving's `prediction_log.proto`, `predict.proto` and `model.proto`.
_PREDICT_LOG = 6  # of PredictionLog
_REQUEST = 1  # of PredictLog
_MODEL_SPEC, _INPUTS = 1, 2  # of PredictRequest
_SIGNATURE_NAME = 3  # of ModelSpec
_KEY, _VALUE = 1, 2  # of an entry of a map


def write_warmup(version: Path) -> None:
    """Writes requests of every kind that clients send into an exported version.

    Args:
        version: Folder with its SavedModel.
    """
    image = _draw_image()
    small = image[:_SMALL, :_SMALL]
    requests: list[tuple[str, dict[str, Any]]] = [
        (SERVING_DEFAULT, {"image_bytes": [encode_jpeg(image)]}),
        (SERVING_DEFAULT, {"image_bytes": [encode_png(small), encode_jpeg(small)]}),
        (PREDICT_TENSOR, {"images": image[np.newaxis]}),
        (PREDICT_LOGITS, {"images": small[np.newaxis]}),
    ]
    path = version / WARMUP
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as records:
        for signature, inputs in requests:
            records.write(prediction_log(signature, inputs))


def prediction_log(signature: str, inputs: Mapping[str, Any]) -> bytes:
    """Returns a request as a serialized message `PredictionLog`.

    TensorFlow has no class for it. Four nested messages around tensors that TensorFlow serializes do not need
    the package `tensorflow-serving-api`.

    Args:
        signature: Name of the signature.
        inputs: Its tensors by name.
    """
    request = field(_MODEL_SPEC, field(_SIGNATURE_NAME, signature.encode()))
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += field(_INPUTS, field(_KEY, name.encode()) + field(_VALUE, tensor))
    return field(_PREDICT_LOG, field(_REQUEST, request))


def _draw_image() -> Pixels:
    """Returns a drawn image, always the same."""
    return draw_scene(np.random.default_rng(0), _SIZE, [1, 2, 3])[0]
