"""Tests of the requests TensorFlow Serving begins with, read by its own protobufs."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

from fcn.exports.warmup import prediction_log
from fcn.inference.engines.signatures import signatures
from fcn.models.fcn import FCN


@pytest.fixture(scope="module")
def requests(plain_export: Path) -> list:
    records = tf.data.TFRecordDataset(str(plain_export / "assets.extra" / "tf_serving_warmup_requests"))
    logs = [prediction_log_pb2.PredictionLog.FromString(record.numpy()) for record in records]
    assert all(log.WhichOneof("log_type") == "predict_log" for log in logs)
    assert not any(unknown_fields(log) for log in logs)
    return [log.predict_log.request for log in logs]


def unknown_fields(message) -> bool:
    """Returns whether parsing met anything that its messages do not have."""
    before = message.SerializeToString()
    message.DiscardUnknownFields()
    return message.SerializeToString() != before


def test_every_signature_is_asked_and_answers(plain_export: Path, requests: list, net: FCN) -> None:
    served = tf.saved_model.load(str(plain_export))
    assert {request.model_spec.signature_name for request in requests} == set(signatures(net.num_classes))
    for request in requests:
        inputs = {name: tf.constant(tf.make_ndarray(proto)) for name, proto in request.inputs.items()}
        answer = served.signatures[request.model_spec.signature_name](**inputs)
        expected = signatures(net.num_classes)[request.model_spec.signature_name]
        assert sorted(inputs) == sorted(expected.inputs)
        assert sorted(answer) == sorted(expected.outputs)
        assert all(value.shape[0] == len(next(iter(inputs.values()))) for value in answer.values())


def test_files_are_a_photograph_in_both_formats(requests: list) -> None:
    files = [data for request in requests for data in request.inputs["image_bytes"].string_val]
    pictures = [Image.open(BytesIO(data)) for data in files]
    assert {picture.format for picture in pictures} == {"JPEG", "PNG"}
    colors = [len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) for picture in pictures]
    assert min(colors) > 500


def test_a_request_fits_a_model_of_any_name_and_version(requests: list) -> None:
    for request in requests:
        assert request.model_spec.name == ""
        assert not request.model_spec.HasField("version")


@pytest.mark.parametrize("length", [0, 1, 127, 128, 300, 70_000])
def test_a_message_is_the_one_protobuf_writes(length: int) -> None:
    expected = prediction_log_pb2.PredictionLog()
    request = expected.predict_log.request
    request.model_spec.signature_name = "serving_default"
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([b"a" * length]))
    written = prediction_log("serving_default", {"image_bytes": [b"a" * length]})
    assert written == expected.SerializeToString()
