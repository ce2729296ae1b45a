import base64

import numpy as np
import pytest
from http_server import png_pixels, running_server
from pausable_engine import PausableEngine, flat

from fcn.data.image_io import encode_png

PREDICT = "/v1/models/fcn:predict"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with running_server(
        tmp_path_factory.mktemp("versions"), PausableEngine(), version=3, queue_images=6
    ) as server:
        yield server.client


def b64(image):
    return {"b64": base64.b64encode(encode_png(image)).decode()}


def unpack(prediction):
    """Checks an answer about an image that is all one class, and returns its label."""
    label = png_pixels(base64.b64decode(prediction["label_png_bytes"]["b64"]))
    assert set(prediction) == {"label_png_bytes", "class_areas", "mean_confidence"}
    assert prediction["class_areas"] == [float(index == label[0, 0]) for index in range(3)]
    assert prediction["mean_confidence"] == 0.5
    return label


@pytest.mark.parametrize("path", ["/v1/models/fcn", "/v1/models/fcn/versions/3"])
def test_the_status_is_that_of_the_documentation(client, path):
    assert client.get(path).json() == {
        "model_version_status": [
            {"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ]
    }


def test_images_of_several_sizes_come_as_rows_and_are_answered_as_rows(client):
    images = [flat(0, 4, 5), flat(2, 3, 7)]
    answer = client.post(PREDICT, json={"instances": [b64(image) for image in images]})
    assert answer.headers["content-type"] == "application/json"
    for image, prediction in zip(images, answer.json()["predictions"], strict=True):
        np.testing.assert_array_equal(unpack(prediction), image[..., 0])


def test_rows_may_name_their_input(client):
    answer = client.post(PREDICT, json={"instances": [{"image_bytes": b64(flat(1))}]}).json()
    np.testing.assert_array_equal(unpack(answer["predictions"][0]), flat(1)[..., 0])


@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_base64_as_other_programs_write_it_and_unknown_keys_are_taken(client, key):
    encoded = base64.encodebytes(encode_png(flat(1, 40, 50))).decode()
    assert encoded.count("\n") > 1
    expected = client.post(PREDICT, json={key: [b64(flat(1, 40, 50))]})
    for text in (encoded, encoded.replace("\n", "\r\n"), encoded.replace("\n", "").rstrip("=")):
        document = {key: [{"b64": text}], "examples": 1, "output_filter": [[1, {}]], "x": None}
        answer = client.post(PREDICT, json=document)
        assert (answer.status_code, answer.content) == (200, expected.content)


@pytest.mark.parametrize("named", [False, True])
def test_columns_are_answered_as_columns(client, named):
    column = [b64(flat(1)), b64(flat(2))]
    outputs = client.post(PREDICT, json={"inputs": {"image_bytes": column} if named else column}).json()[
        "outputs"
    ]
    assert outputs["mean_confidence"] == [0.5, 0.5]
    assert outputs["class_areas"] == [[0, 1, 0], [0, 0, 1]]
    labels = [png_pixels(base64.b64decode(one["b64"])) for one in outputs["label_png_bytes"]]
    assert [label[0, 0] for label in labels] == [1, 2]


@pytest.mark.parametrize(("given", "answered"), [("instances", "predictions"), ("inputs", "outputs")])
def test_pixels_are_answered_with_a_label_and_no_name(client, given, answered):
    images = np.stack([flat(0), flat(2)])
    for values in (images.tolist(), {"images": images.tolist()}):
        if given == "instances" and isinstance(values, dict):
            values = [{"images": image} for image in values["images"]]
        body = {"signature_name": "predict_tensor", given: values}
        assert client.post(PREDICT, json=body).json() == {answered: images[..., 0].tolist()}


def test_logits_are_floats(client):
    body = {"signature_name": "predict_logits", "instances": [flat(2, 1, 1).tolist()]}
    answer = client.post(PREDICT, json=body)
    assert answer.text == '{"predictions":[[[[0.0,0.0,1.0]]]]}'


def test_a_version_can_be_asked_and_only_one_that_is_served(client):
    body = {"instances": [b64(flat(1))]}
    asked = client.post("/v1/models/fcn/versions/3:predict", json=body)
    assert asked.content == client.post(PREDICT, json=body).content
    for version in ("2", "0", "99999", "9" * 18, "9" * 5000, "-1", "x", "3.0", "³"):
        other = client.post(f"/v1/models/fcn/versions/{version}:predict", json=body)
        assert other.status_code == 404, version
        assert list(other.json()) == ["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models/half"),
        ("GET", "/v1/models/fcn/versions/2"),
        ("GET", "/v1/models/half/metadata"),
        ("GET", "/v1/models/fcn/versions/2/metadata"),
        ("POST", "/v1/models/half:predict"),
    ],
)
def test_what_is_not_served_is_not_found(client, method, path):
    answer = client.request(method, path, content=b"{}")
    assert answer.status_code == 404
    assert "Expected" in answer.json()["error"] or "request version 3" in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", PREDICT), ("PUT", PREDICT), ("POST", "/v1/models/fcn"), ("DELETE", "/v1/models/fcn/metadata")],
)
def test_other_methods_are_not_allowed(client, method, path):
    assert client.request(method, path).status_code == 405


@pytest.mark.parametrize("encoding", ["deflate", "br", "gzip, gzip"])
def test_other_encodings_are_refused(client, encoding):
    answer = client.post(PREDICT, content=b"{}", headers={"Content-Encoding": encoding})
    assert answer.status_code == 415
    assert encoding in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Expected JSON in the body. Received: 0 bytes"),
        (b"[]", "Expected a JSON object in the body. Received: a list of 0."),
        (b"{}", "Expected one of `instances` and `inputs`. Received: neither."),
        (b'{"instances": ["a"], "inputs": ["a"]}', "Received: both."),
        (b'{"instances": []}', "Received: a list of 0."),
        (b'{"instances": {"b64": ""}}', "Expected a list of one or more values as `instances`."),
        (b'{"instances": [null]}', "instances[0]. Received: null."),
        (b'{"instances": [true]}', "Received: true."),
        (b'{"instances": [["a"]]}', "Received: a list of 1."),
        (b'{"instances": [{"b64": "a"}]}', "Expected base64 at instances[0]"),
        (b'{"instances": [{"b64": "YQ==\\nYQ=="}]}', "Expected base64 at instances[0]"),
        (b'{"examples": ["a"]}', "Expected one of `instances` and `inputs`. Received: neither."),
        ('{"instances": [{"b64": "é"}]}'.encode(), "at instances[0]"),
        (b'{"instances": [{"b64": 1}]}', "Expected a base64 string at instances[0]. Received: 1."),
        (b'{"instances": [{"b64": "", "x": ""}]}', 'an object with "b64", "x" at instances[0]'),
        (b'{"instances": [{"images": "a"}]}', 'Expected objects with "image_bytes"'),
        (b'{"instances": [{"image_bytes": "a"}, "a"]}', 'the string "a" at instances[1]'),
        (b'{"instances": ["a", {"image_bytes": "a"}]}', "instances[1]"),
        (b'{"inputs": {"b64": "YQ=="}}', "Expected a list of one or more strings in `inputs`."),
        (b'{"inputs": {"images": []}}', 'Expected a value or an object with "image_bytes"'),
        (b'{"inputs": "a"}', "Expected a list of one or more strings"),
        (b'{"signature_name": "x", "inputs": []}', "serving_default, predict_tensor, predict_logits"),
        (b'{"signature_name": null, "inputs": []}', "Expected a string as `signature_name`. Received: null."),
        (b'{"instances": [NaN]}', "Expected JSON in the body"),
        (b'{"instances": ["\xff"]}', "Expected JSON in the body"),
        (b'{"instances": ' + b"[" * 5000 + b"]" * 5000 + b"}", "signature_name` predict_tensor)"),
        (b'{"instances": ' + b"[" * 5000 + b"{}" + b"]" * 5000 + b"}", "Expected JSON in the body"),
        (b'{"instances": ["no image"]}', "image"),
    ],
)
def test_what_is_wrong_is_said(client, body, message):
    answer = client.post(PREDICT, content=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_images_of_several_sizes_as_pixels_are_refused(client):
    images = [flat(0, 4, 5).tolist(), flat(0, 4, 6).tolist()]
    answer = client.post(PREDICT, json={"signature_name": "predict_tensor", "instances": images})
    assert answer.status_code == 400
    assert "send images of different sizes in separate requests" in answer.json()["error"]
    assert '[2, 4, 5, 3], judging by the first lists, and then ",[0,0,0],[0,0,0]]' in answer.json()["error"]


def test_limits_of_the_service_are_said(client):
    answer = client.post(PREDICT, json={"instances": [b64(flat(0))] * 7})
    assert answer.status_code == 413
    assert "at most 6 images" in answer.json()["error"]


def test_an_empty_name_is_that_of_the_default_signature(client):
    body = {"signature_name": "", "instances": [b64(flat(1))]}
    assert len(client.post(PREDICT, json=body).json()["predictions"]) == 1


def test_bodies_are_read_whatever_their_content_type_says(client):
    content = b'{"signature_name": "predict_tensor", "instances": [[[[1, 0, 0]]]]}'
    headers = {"Content-Type": "application/x-www-form-urlencoded"}  # what `curl -d` says
    assert client.post(PREDICT, content=content, headers=headers).json() == {"predictions": [[[1]]]}
