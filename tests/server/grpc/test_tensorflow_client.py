"""TensorFlow Serving's own messages and stubs, which nobody here wrote, against a server on a port."""

import grpc
import numpy as np
import pytest
from grpc_server import ANY_SIZE, running_grpc
from http_server import png_pixels
from pausable_engine import PausableEngine, flat
from tensorflow import make_ndarray, make_tensor_proto
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from fcn.data.image_io import encode_png

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), np.uint8)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_grpc(tmp_path_factory.mktemp("versions"), PausableEngine(), version=3) as server:
        yield server


@pytest.fixture
def stub(server):
    return prediction_service_pb2_grpc.PredictionServiceStub(server.channel)


def predict_request(signature="", version=None, **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "fcn", signature
    if version is not None:
        request.model_spec.version.value = version
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(
            values if isinstance(values, TensorProto) else make_tensor_proto(values)
        )
    return request


def test_files_become_labels(stub):
    files = [encode_png(flat(1)), encode_png(flat(2, 3, 7))]
    answer = stub.Predict(predict_request(image_bytes=files))
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("fcn", 3)
    assert answer.model_spec.signature_name == "serving_default"
    labels = [png_pixels(png) for png in make_ndarray(answer.outputs["label_png_bytes"])]
    assert [label.shape for label in labels] == [(4, 5), (3, 7)]
    assert [set(label.ravel()) for label in labels] == [{1}, {2}]
    assert make_ndarray(answer.outputs["class_areas"]).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert list(answer.outputs["mean_confidence"].float_val) == [0.5, 0.5]


@pytest.mark.parametrize("is_list", [False, True])
def test_pixels_become_labels_in_both_forms_of_a_tensor(stub, is_list):
    proto = make_tensor_proto(PIXELS)
    if is_list:
        proto.ClearField("tensor_content")
        proto.int_val.extend(PIXELS.ravel().tolist())
    answer = stub.Predict(predict_request("predict_tensor", images=proto))
    assert np.array_equal(make_ndarray(answer.outputs["label"]), PIXELS[..., 0])
    assert list(answer.outputs["label"].int_val) == PIXELS[..., 0].ravel().tolist()


def test_pixels_become_logits(stub):
    answer = stub.Predict(predict_request("predict_logits", images=np.stack([flat(1), flat(2)])))
    logits = make_ndarray(answer.outputs["logits"])
    assert logits.shape == (2, 4, 5, 3)
    assert logits.dtype == np.float32
    assert logits.argmax(-1)[:, 0, 0].tolist() == [1, 2]


def test_only_the_wanted_outputs_come(stub):
    request = predict_request(image_bytes=[encode_png(flat(1))])
    request.output_filter.append("class_areas")
    assert list(stub.Predict(request).outputs) == ["class_areas"]


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"model_spec": {"name": "half"}}, "NOT_FOUND", 'Expected the served model, fcn. Received: "half".'),
        ({"model_spec": {}}, "NOT_FOUND", 'Expected the served model, fcn. Received: "".'),
        (
            {"model_spec": {"name": "fcn", "version_label": "stable"}},
            "NOT_FOUND",
            'Expected a version, or none for the newest. Received: the label "stable".',
        ),
        (
            {"model_spec": {"name": "fcn", "version": {"value": 2}}},
            "NOT_FOUND",
            "Version 2 is not served. Leave the version out, or request version 3.",
        ),
        (
            {"model_spec": {"name": "fcn", "signature_name": "x"}},
            "INVALID_ARGUMENT",
            'Expected one of the signatures serving_default, predict_tensor, predict_logits. Received: "x".',
        ),
        (
            {"output_filter": ["logits"]},
            "INVALID_ARGUMENT",
            "Expected outputs among label_png_bytes, class_areas, mean_confidence for serving_default. "
            'Received: "logits".',
        ),
    ],
)
def test_what_is_wrong_is_said(stub, change, code, text):
    request = predict_request(image_bytes=[encode_png(flat(1))])
    for name in change:
        request.ClearField(name)
    request.MergeFrom(predict_pb2.PredictRequest(**change))
    with pytest.raises(grpc.RpcError) as refused:
        stub.Predict(request)
    assert (refused.value.code().name, refused.value.details()) == (code, text)


@pytest.mark.parametrize(
    ("signature", "inputs", "text"),
    [
        ("", {}, "Expected the inputs image_bytes for serving_default. Received: none."),
        ("", {"images": PIXELS}, 'Expected the inputs image_bytes for serving_default. Received: "images".'),
        (
            "predict_tensor",
            {"images": PIXELS.astype(np.float32)},
            "Expected the type DT_UINT8 of `images`. Received: DT_FLOAT.",
        ),
        ("predict_tensor", {"images": PIXELS[0]}, "Expected the shape [-1, -1, -1, 3] of `images`"),
        ("predict_tensor", {"images": PIXELS[..., :2]}, "Expected the shape [-1, -1, -1, 3] of `images`"),
        ("", {"image_bytes": b"scalar"}, "Expected the shape [-1] of `image_bytes`"),
        ("", {"image_bytes": [b"no image"]}, "image: "),
    ],
)
def test_inputs_that_do_not_fit_are_refused(stub, signature, inputs, text):
    with pytest.raises(grpc.RpcError) as refused:
        stub.Predict(predict_request(signature, **inputs))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details().startswith(text)


def test_numbers_must_be_as_many_as_the_shape_says_and_bytes(stub):
    proto = make_tensor_proto(PIXELS)
    proto.tensor_content = proto.tensor_content[1:]
    with pytest.raises(grpc.RpcError, match=r"Expected 120 values of `images`.* Received: 119"):
        stub.Predict(predict_request("predict_tensor", images=proto))
    proto.ClearField("tensor_content")
    proto.int_val.extend([256] * PIXELS.size)
    with pytest.raises(grpc.RpcError, match="Expected integers 0 to 255 in `int_val`"):
        stub.Predict(predict_request("predict_tensor", images=proto))


def test_metadata_has_the_signatures(stub):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "fcn"
    answer = stub.GetModelMetadata(request)
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("fcn", 3)
    definitions = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(definitions)
    definition = definitions.signature_def["predict_logits"]
    assert [dim.size for dim in definition.outputs["logits"].tensor_shape.dim] == [-1, -1, -1, 3]
    assert definition.inputs["images"].dtype == make_tensor_proto(PIXELS).dtype
    assert definition.method_name == "tensorflow/serving/predict"
    request.metadata_field[:] = ["graph"]
    with pytest.raises(grpc.RpcError, match="Expected the metadata_field signature_def"):
        stub.GetModelMetadata(request)


def test_the_status_of_the_version(server):
    stub = model_service_pb2_grpc.ModelServiceStub(server.channel)
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "fcn"
    (status,) = stub.GetModelStatus(request).model_version_status
    assert (status.version, status.state) == (3, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
    assert (status.status.error_code, status.status.error_message) == (0, "")
    request.model_spec.version.value = 4
    with pytest.raises(grpc.RpcError, match="Expected an existing version of fcn"):
        stub.GetModelStatus(request)


def test_methods_that_there_are_not_are_unimplemented(stub):
    from tensorflow_serving.apis import classification_pb2

    with pytest.raises(grpc.RpcError) as refused:
        stub.Classify(classification_pb2.ClassificationRequest())
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_gzip_messages_are_read(server):
    with grpc.insecure_channel(server.address, ANY_SIZE, grpc.Compression.Gzip) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answer = stub.Predict(predict_request("predict_tensor", images=PIXELS))
        assert np.array_equal(make_ndarray(answer.outputs["label"]), PIXELS[..., 0])
