"""Requests that TensorFlow Serving answers for itself before it says that a version is ready.

TensorFlow prepares much when a graph first runs: a first request would wait for it. What the server sends to
a version it has loaded stands in `assets.extra/tf_serving_warmup_requests` (its documentation, "SavedModel
Warmup"): records of its message `PredictionLog`. They name a signature but no model: the server asks the
version they lie in, whatever it is called there.
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

_SIZE = (240, 320)
_SMALL = 64

# Numbers of fields in TensorFlow Serving's `prediction_log.proto`, `predict.proto` and `model.proto`.
_PREDICT_LOG = 6  # of PredictionLog
_REQUEST = 1  # of PredictLog
_MODEL_SPEC, _INPUTS = 1, 2  # of PredictRequest
_SIGNATURE_NAME = 3  # of ModelSpec
_KEY, _VALUE = 1, 2  # of an entry of a map
_LENGTH_DELIMITED = 2
"""Type of everything here in the wire format: a length, and as many bytes."""


def write_warmup(version: Path) -> None:
    """Adds requests of every kind that clients send to an exported version.

    Args:
        version: Folder with its SavedModel.
    """
    picture = _picture()
    small = picture[:_SMALL, :_SMALL]
    requests: list[tuple[str, dict[str, Any]]] = [
        (SERVING_DEFAULT, {"image_bytes": [encode_jpeg(picture)]}),
        (SERVING_DEFAULT, {"image_bytes": [encode_png(small), encode_jpeg(small)]}),
        (PREDICT_TENSOR, {"images": picture[np.newaxis]}),
        (PREDICT_LOGITS, {"images": small[np.newaxis]}),
    ]
    path = version / WARMUP
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as records:
        for signature, inputs in requests:
            records.write(prediction_log(signature, inputs))


def prediction_log(signature: str, inputs: Mapping[str, Any]) -> bytes:
    """Returns a request as a message `PredictionLog` in protobuf's wire format.

    TensorFlow has no class for it and `tensorflow-serving-api` is not needed for it: it is four messages in
    each other, around tensors that TensorFlow writes.

    Args:
        signature: Name of the signature.
        inputs: Its tensors by name.
    """
    request = _field(_MODEL_SPEC, _field(_SIGNATURE_NAME, signature.encode()))
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(_INPUTS, _field(_KEY, name.encode()) + _field(_VALUE, tensor))
    return _field(_PREDICT_LOG, _field(_REQUEST, request))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Returns a whole number seven bits to a byte, the lowest first; all bytes but the last have bit 7 set.

    Example:
        >>> _varint(300).hex()
        'ac02'
    """
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


def _picture() -> Pixels:
    """Returns a made-up photograph, always the same."""
    return draw_scene(np.random.default_rng(0), _SIZE, [1, 2, 3])[0]
