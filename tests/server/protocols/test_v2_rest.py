import json

import numpy as np
import pytest
from http_server import png_pixels, running_server
from pausable_engine import PausableEngine, flat

import fcn
from fcn.data.image_io import encode_png
from fcn.server.interface import string_tensor
from fcn.server.protocols.json_tensors import decode_base64, encode_base64
from fcn.server.protocols.v2_tensors import tensor_bytes

INFER = "/v2/models/fcn/infer"
LENGTH = "Inference-Header-Content-Length"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("versions"), PausableEngine(), version=3) as server:
        yield server.client


def pixels(images, **more):
    return {
        "parameters": {"signature_name": "predict_tensor"},
        "inputs": [
            {"name": "images", "datatype": "UINT8", "shape": list(images.shape), "data": images.tolist()}
        ],
    } | more


def post_binary(client, document, rest, path=INFER):
    text = json.dumps(document).encode()
    return client.post(path, content=text + rest, headers={LENGTH: str(len(text))})


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (
            "/v2",
            {"name": "fcn", "version": fcn.__version__, "extensions": ["binary_tensor_data", "statistics"]},
        ),
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"live": True, "ready": True}),
        ("/v2/models/fcn/ready", {"name": "fcn", "ready": True}),
        ("/v2/models/fcn/versions/3/ready", {"name": "fcn", "ready": True}),
    ],
)
def test_health(client, path, answer):
    assert client.get(path).json() == answer


def test_metadata(client):
    answer = client.get("/v2/models/fcn").json()
    assert answer["versions"] == ["3"]
    assert answer["inputs"] == [{"name": "image_bytes", "datatype": "BYTES", "shape": [-1]}]
    assert answer["outputs"][1] == {"name": "class_areas", "datatype": "FP32", "shape": [-1, 3]}
    assert client.get("/v2/models/fcn/versions/3").json() == answer
    answer = client.get("/v2/models/fcn", params={"signature_name": "predict_tensor"}).json()
    assert [one["name"] for one in answer["inputs"] + answer["outputs"]] == ["images", "label"]
    assert client.get("/v2/models/fcn", params={"signature_name": "x"}).status_code == 400


@pytest.mark.parametrize(
    ("body", "states"),
    [(b"", ["READY"]), (b"{}", ["READY"]), (b'{"ready": true, "x": 1}', ["READY"])],
)
def test_the_index_names_the_versions(client, body, states):
    answer = client.post("/v2/repository/index", content=body)
    assert [one["state"] for one in answer.json()] == states


@pytest.mark.parametrize("body", [b"[]", b"x", b'{"ready": 1}', b'{"ready": null}'])
def test_an_index_of_something_else_is_refused(client, body):
    assert client.post("/v2/repository/index", content=body).status_code == 400


def test_encoded_images_as_json(client):
    images = [flat(1, 4, 5), flat(2, 3, 7)]
    document = {
        "id": "mine",
        "inputs": [
            {
                "name": "image_bytes",
                "datatype": "BYTES",
                "shape": [2],
                "parameters": {"content_type": "base64"},
                "data": [encode_base64(encode_png(image)) for image in images],
            }
        ],
    }
    answer = client.post(INFER, json=document)
    assert answer.headers["content-type"] == "application/json"
    assert LENGTH not in answer.headers
    answer = answer.json()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("mine", "fcn", "3")
    labels, areas, confidence = answer["outputs"]
    assert areas["shape"] == [2, 3]
    assert areas["data"] == [0, 1, 0, 0, 0, 1]
    assert confidence["data"] == [0.5, 0.5]
    assert labels["parameters"] == {"content_type": "base64"}
    for image, data in zip(images, labels["data"], strict=True):
        np.testing.assert_array_equal(png_pixels(decode_base64(data, "")), image[..., 0])


def test_encoded_images_as_bytes(client):
    rest = tensor_bytes(string_tensor([encode_png(flat(1)), encode_png(flat(2, 3, 7))]))
    entry = {
        "name": "image_bytes",
        "datatype": "BYTES",
        "shape": [2],
        "parameters": {"binary_data_size": len(rest)},
    }
    document = {"inputs": [entry], "parameters": {"binary_data_output": True}}
    answer = post_binary(client, document, rest)
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers[LENGTH])
    outputs = json.loads(answer.content[:length])["outputs"]
    sizes = [one["parameters"]["binary_data_size"] for one in outputs]
    assert sizes[1:] == [2 * 3 * 4, 2 * 4]
    assert len(answer.content) == length + sum(sizes)
    np.testing.assert_array_equal(np.frombuffer(answer.content[-8:], "<f4"), [0.5, 0.5])


def test_pixels_by_version(client):
    images = np.stack([flat(0), flat(2)])
    answer = client.post("/v2/models/fcn/versions/3/infer", json=pixels(images)).json()
    (label,) = answer["outputs"]
    assert label["shape"] == [2, 4, 5]
    assert label["data"] == images[..., 0].ravel().tolist()
    assert client.post("/v2/models/fcn/versions/2/infer", json=pixels(images)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/half", 404),
        ("GET", "/v2/models/half/ready", 404),
        ("GET", "/v2/models/fcn/versions/2/ready", 404),
        ("POST", "/v2/models/half/infer", 404),
        ("POST", "/v2/models/fcn/versions/x/infer", 404),
        ("GET", INFER, 405),
        ("GET", "/v2/models/half/stats", 404),
        ("GET", "/v2/models/fcn/versions/2/stats", 404),
        ("GET", "/v2/repository/index", 405),
        ("POST", "/v2/models/stats", 405),
        ("POST", "/v2/models/fcn", 405),
        ("POST", "/v2/health/live", 405),
        ("POST", INFER, 400),
    ],
)
def test_what_is_not_there_is_said(client, method, path, status):
    answer = client.request(method, path, content=b"")
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


def test_other_encodings_are_refused(client):
    answer = client.post(INFER, content=b"{}", headers={"Content-Encoding": "deflate"})
    assert answer.status_code == 415
    assert "deflate" in answer.json()["error"]


def test_refusals_of_the_service_are_said(client):
    document = {"inputs": [{"name": "image_bytes", "datatype": "BYTES", "shape": [1], "data": ["no image"]}]}
    assert client.post(INFER, json=document).status_code == 400
    document = pixels(flat(0)[np.newaxis], parameters={"signature_name": "serving_default"})
    assert client.post(INFER, json=document).status_code == 400
