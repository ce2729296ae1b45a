import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fcn.inference.engines.signatures import signatures
from fcn.server.interface import InferenceRequest, InferenceResponse, ServerError, string_tensor
from fcn.server.protocols.v2_messages import V2Request, describe_model, read_infer, write_infer
from fcn.server.protocols.v2_tensors import tensor_bytes

KNOWN = signatures(3)
TEXT = {"name": "image_bytes", "datatype": "BYTES", "shape": [1], "data": ["a"]}
BINARY = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 1, 3], "parameters": {"binary_data_size": 3}}
TENSOR = {"parameters": {"signature_name": "predict_tensor"}, "inputs": [BINARY]}
AREAS = {"name": "class_areas"}


def read(document, rest=b"", header=None, version=None):
    text = json.dumps(document).encode()
    length = str(len(text)) if header is None and rest else header
    return read_infer(text + rest, length, KNOWN, "fcn", version)


def test_the_default_signature_is_asked_for_everything_as_json():
    request = read({"inputs": [TEXT]}, version=4)
    assert request.call.signature == "serving_default"
    assert request.call.inputs["image_bytes"].tolist() == [b"a"]
    assert (request.call.outputs, request.call.version) == ((), 4)
    assert (request.request_id, request.binary) == (None, frozenset())


def test_bytes_follow_the_json():
    request = read(TENSOR, b"\1\2\3")
    assert request.call.signature == "predict_tensor"
    assert request.call.inputs["images"].tolist() == [[[[1, 2, 3]]]]


@pytest.mark.parametrize(
    ("outputs", "signature"),
    [
        ([], "predict_tensor"),
        (["label"], "predict_tensor"),
        (["logits"], "predict_logits"),
    ],
)
def test_the_signature_is_found_by_input_and_outputs(outputs, signature):
    document = {"inputs": [BINARY], "outputs": [{"name": name} for name in outputs]}
    request = read(document, b"\1\2\3")
    assert request.call.signature == signature
    assert request.call.outputs == tuple(outputs)
    assert request.call.inputs["images"].shape == (1, 1, 1, 3)
    document["parameters"] = {"signature_name": "predict_logits"}
    if outputs != ["label"]:
        assert read(document, b"\1\2\3").call.signature == "predict_logits"
    else:
        with pytest.raises(ServerError, match="outputs among logits for predict_logits"):
            read(document, b"\1\2\3")


@pytest.mark.parametrize(
    ("whole", "outputs", "wanted", "binary"),
    [
        (None, None, (), set()),
        (True, None, (), {"label_png_bytes", "class_areas", "mean_confidence"}),
        (False, [], (), set()),
        (None, [AREAS], ("class_areas",), set()),
        (True, [AREAS], ("class_areas",), {"class_areas"}),
        (True, [AREAS | {"parameters": {"binary_data": False}}], ("class_areas",), set()),
        (
            False,
            [{"name": "mean_confidence", "parameters": {"binary_data": True}}, AREAS],
            ("mean_confidence", "class_areas"),
            {"mean_confidence"},
        ),
    ],
)
def test_each_output_goes_as_it_is_wanted(whole, outputs, wanted, binary):
    document = {"inputs": [TEXT]}
    if whole is not None:
        document["parameters"] = {"binary_data_output": whole}
    if outputs is not None:
        document["outputs"] = outputs
    request = read(document)
    assert request.call.outputs == wanted
    assert request.binary == binary


@pytest.mark.parametrize(
    "name",
    ["priority", "timeout", "sequence_id", "sequence_start", "sequence_end", "content_type", "headers", "x"],
)
@pytest.mark.parametrize("value", [0, 7, 1.5, True, None, "x", [1], {"a": {}}])
def test_what_other_servers_ignore_is_ignored(name, value):
    plain, others = read({"inputs": [TEXT], "outputs": [AREAS]}), {name: value}
    text = TEXT | {"parameters": {}}
    for document in (
        {"inputs": [TEXT], "outputs": [AREAS], "parameters": others},
        {"inputs": [TEXT], "outputs": [AREAS]} | others,
        {"inputs": [text | {"parameters": others}], "outputs": [AREAS]},
        {"inputs": [text | others], "outputs": [AREAS]},
        {"inputs": [TEXT], "outputs": [AREAS | {"parameters": others}]},
        {"inputs": [TEXT], "outputs": [AREAS | others]},
    ):
        request = read(document)
        assert (request.request_id, request.binary) == (plain.request_id, plain.binary)
        assert request.call.inputs["image_bytes"].tolist() == [b"a"]
        assert request.call._replace(inputs={}) == plain.call._replace(inputs={})


def test_an_answer_is_worked_by_hand():
    outputs = {
        "label_png_bytes": string_tensor([b"ab"]),
        "class_areas": np.array([[0.25, 0, 0.75]], np.float32),
        "mean_confidence": np.array([0.5], np.float32),
    }
    request = V2Request(InferenceRequest("serving_default", {}), "42", frozenset(["mean_confidence"]))
    data, length = write_infer(request, "fcn", InferenceResponse(3, outputs))
    assert json.loads(data[:length]) == {
        "model_name": "fcn",
        "model_version": "3",
        "id": "42",
        "outputs": [
            {
                "name": "label_png_bytes",
                "datatype": "BYTES",
                "shape": [1],
                "parameters": {"content_type": "base64"},
                "data": ["YWI="],
            },
            {"name": "class_areas", "datatype": "FP32", "shape": [1, 3], "data": [0.25, 0.0, 0.75]},
            {
                "name": "mean_confidence",
                "datatype": "FP32",
                "shape": [1],
                "parameters": {"binary_data_size": 4},
            },
        ],
    }
    assert data[length:] == b"\0\0\0\x3f"


@given(arrays(np.float32, (1, 2, 2, 3)), arrays(np.uint8, (1, 2, 2)), st.booleans(), st.booleans())
def test_binary_outputs_follow_in_their_order(logits, label, first, second):
    binary = [name for name, chosen in (("logits", first), ("label", second)) if chosen]
    request = V2Request(InferenceRequest("predict_logits", {}), None, frozenset(binary))
    data, length = write_infer(request, "fcn", InferenceResponse(1, {"logits": logits, "label": label}))
    chunks = [tensor_bytes(logits)] * first + [tensor_bytes(label)] * second
    assert (length is None) == (not binary)
    document = json.loads(data[:length])
    assert data[len(data) if length is None else length :] == b"".join(chunks)
    sizes = [one["parameters"]["binary_data_size"] for one in document["outputs"] if "data" not in one]
    assert sizes == [len(chunk) for chunk in chunks]
    assert "id" not in document
    if not second:
        assert document["outputs"][1]["data"] == label.ravel().tolist()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "the key `inputs` in the body. Received: an object with no keys."),
        ({"inputs": 1}, "a list as `inputs`. Received: 1."),
        (
            {"inputs": []},
            "the inputs image_bytes for serving_default (the parameter `signature_name` chooses another). "
            "Received: none.",
        ),
        ({"inputs": [TEXT, TEXT]}, 'each name once in `inputs`. Received: "image_bytes" twice.'),
        ({"inputs": [TEXT, TEXT | {"name": "x"}]}, 'Received: "image_bytes", "x".'),
        ({"inputs": [TEXT, BINARY]}, 'Received: "image_bytes", "images".'),
        ({"inputs": [BINARY], "outputs": [AREAS]}, "outputs among label for predict_tensor"),
        (
            {"inputs": [BINARY], "outputs": [{"name": "label"}, {"name": "logits"}]},
            'outputs among label for predict_tensor. Received: "logits".',
        ),
        ({"inputs": [1]}, "an object at inputs[0]. Received: 1."),
        ({"inputs": [{}]}, "the key `name` in inputs[0]. Received: an object with no keys."),
        ({"inputs": [TEXT | {"name": 1}]}, "a string as `name` of inputs[0]. Received: 1."),
        (
            {"inputs": [TEXT | {"parameters": []}]},
            "an object as `parameters` of inputs[0]. Received: a list of 0.",
        ),
        ({"inputs": [TEXT], "id": 1}, "a string as `id`. Received: 1."),
        ({"inputs": [TEXT], "id": None}, "a value, or no such key, as `id`. Received: null."),
        ({"inputs": [TEXT], "model_name": "x"}, '"fcn" as `model_name`'),
        (
            {"inputs": [TEXT], "parameters": {"shared_memory_x": 1}},
            'send data in the body, as `parameters`. Received: an object with "shared_memory_x".',
        ),
        (
            {"inputs": [TEXT], "parameters": {"signature_name": 1}},
            "a string as `signature_name` of parameters. Received: 1.",
        ),
        ({"inputs": [TEXT], "parameters": {"signature_name": "x"}}, "one of the signatures"),
        (
            {"inputs": [TEXT], "parameters": {"binary_data_output": 1}},
            "true or false as `binary_data_output` of parameters. Received: 1.",
        ),
        ({"inputs": [TEXT], "outputs": {}}, "a list as `outputs`. Received: an object with no keys."),
        ({"inputs": [TEXT], "outputs": [{"name": "label"}]}, "outputs among label_png_bytes"),
        ({"inputs": [TEXT], "outputs": [AREAS, AREAS]}, "each name once in `outputs`"),
        (
            {"inputs": [TEXT], "outputs": [AREAS | {"parameters": {"shared_memory_region": "x"}}]},
            "send data in the body, as `parameters` of outputs[0]. Received: an object with",
        ),
        (
            {"inputs": [TEXT], "outputs": [AREAS | {"parameters": {"classification": 2}}]},
            "without classification (a label has a class for each pixel) as `parameters` of outputs[0]",
        ),
        (
            {"inputs": [TEXT | {"parameters": {"shared_memory_region": "x"}}]},
            "an object without shared memory, which is not supported",
        ),
        ({"inputs": [BINARY], "parameters": TENSOR["parameters"]}, "0 to 0, the bytes that follow the JSON"),
    ],
)
def test_what_is_wrong_is_said(document, message):
    with pytest.raises(ServerError) as refused:
        read(document)
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("rest", "header", "message"),
    [
        (b"\1\2", None, "0 to 2, the bytes that follow the JSON"),
        (b"\1\2\3\4", None, "Received: 1 more."),
        (b"\1\2\3", "0", "Inference-Header-Content-Length. Received: 0."),
        (b"\1\2\3", "100000", "Received: 100000."),
        (b"\1\2\3", "-1", 'Received: "-1".'),
        (b"\1\2\3", "", 'Received: "".'),
        (b"\1\2\3", "²", "Expected the length of the JSON"),
        (b"\1\2\3", "9" * 5000, "Expected the length of the JSON"),
        (b"\1\2\3", "3", "JSON in the body"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(rest, header, message):
    with pytest.raises(ServerError) as refused:
        read(TENSOR, rest, header)
    assert message in refused.value.message


def test_metadata_name_types_and_shapes():
    assert describe_model("fcn", [3], KNOWN["predict_logits"]).model_dump() == {
        "name": "fcn",
        "versions": ["3"],
        "platform": "fcn",
        "inputs": [{"name": "images", "datatype": "UINT8", "shape": [-1, -1, -1, 3]}],
        "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, -1, -1, 3]}],
    }
