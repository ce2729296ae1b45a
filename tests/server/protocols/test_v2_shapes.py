"""Shapes and types of the Open Inference Protocol that do not fit their data, or any memory."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from http_server import running_server
from pausable_engine import PausableEngine, flat

from fcn.data.image_io import encode_png
from fcn.server.interface import string_tensor
from fcn.server.protocols.json_tensors import encode_base64
from fcn.server.protocols.v2_tensors import tensor_bytes

INFER, LENGTH = "/v2/models/fcn/infer", "Inference-Header-Content-Length"
PIXELS, QUEUE = 1000, 8
IMAGE = np.stack([flat(1, 2, 5)] * 3)
PNG = encode_png(flat(1))
TYPES = ["BOOL", "UINT16", "UINT64", "INT8", "INT64", "FP16", "FP32", "FP64", "BF16", "uint8", "U", "", "\0"]
TYPES += [8, None, True, [], ["UINT8"], {}, {"UINT8": 1}, "BYTES"]
HUGE = [2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, 10**308]
STRANGE = [-1, 0, -(2**63), 1.0, 1.5, True, None, "1", [], [1], {}]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versions")
    limits = {"image_pixels": PIXELS, "queue_images": QUEUE}
    with running_server(folder, PausableEngine(), **limits) as server:
        yield server.client


@pytest.fixture(autouse=True)
def bounded():
    """No request may take memory that its body does not explain."""
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again
    memory = status_bytes("VmRSS")
    yield
    assert status_bytes("VmHWM") - memory < 2**27


def status_bytes(name):
    """Returns an entry of the memory of this process, in which both the server and the client are."""
    return 1024 * int(re.search(rf"{name}:\s*(\d+) kB", Path("/proc/self/status").read_text())[1])


def ask(client, signature, tensor, chunk=None):
    """Sends one input, its data in it or as bytes after the JSON."""
    if chunk is not None:
        tensor = tensor | {"parameters": {"binary_data_size": len(chunk)}}
    text = json.dumps({"parameters": {"signature_name": signature}, "inputs": [tensor]}).encode()
    headers = {} if chunk is None else {LENGTH: str(len(text))}
    return client.post(INFER, content=text + (chunk or b""), headers=headers)


def ask_pixels(client, form, shape, datatype="UINT8", images=IMAGE):
    tensor = {"name": "images", "datatype": datatype, "shape": shape}
    if form == "bytes":
        return ask(client, "predict_tensor", tensor, images.tobytes())
    data = images.ravel() if form == "flat" else images
    return ask(client, "predict_tensor", tensor | {"data": data.tolist()})


def ask_strings(client, form, shape, datatype="BYTES", count=1):
    tensor = {"name": "image_bytes", "datatype": datatype, "shape": shape}
    if form == "bytes":
        return ask(client, "serving_default", tensor, tensor_bytes(string_tensor([PNG] * count)))
    data = {"data": [encode_base64(PNG)] * count, "parameters": {"content_type": "base64"}}
    return ask(client, "serving_default", tensor | data)


def check_refused(answer, name):
    """Checks that one message names the input, so that it is not about another mistake."""
    assert answer.status_code == 400
    document = answer.json()
    assert list(document) == ["error"]
    assert f"`{name}" in document["error"]
    assert len(document["error"]) < 500


PIXEL_FORMS, STRING_FORMS = ["nested", "flat", "bytes"], ["base64", "bytes"]


@pytest.mark.parametrize("form", PIXEL_FORMS)
def test_pixels_that_fit_are_labeled(client, form):
    answer = ask_pixels(client, form, list(IMAGE.shape))
    assert answer.status_code == 200
    assert answer.json()["outputs"][0]["data"] == [1] * 30


@pytest.mark.parametrize("form", STRING_FORMS)
def test_strings_that_fit_are_labeled(client, form):
    assert ask_strings(client, form, [2], count=2).status_code == 200


@pytest.mark.parametrize("form", PIXEL_FORMS)
def test_pixels_of_another_type_are_refused(client, form):
    for datatype in TYPES:
        answer = ask_pixels(client, form, list(IMAGE.shape), datatype)
        check_refused(answer, "images")
        assert "datatype UINT8" in answer.json()["error"]


@pytest.mark.parametrize("form", STRING_FORMS)
def test_strings_of_another_type_are_refused(client, form):
    for datatype in [*TYPES[:-1], "UINT8", "bytes", "STRING"]:
        answer = ask_strings(client, form, [1], datatype)
        check_refused(answer, "image_bytes")
        assert "datatype BYTES" in answer.json()["error"]


@pytest.mark.parametrize("form", PIXEL_FORMS)
@pytest.mark.parametrize("axis", range(4))
def test_pixels_with_one_wrong_side_are_refused(client, form, axis):
    for side in [*HUGE, *STRANGE, IMAGE.shape[axis] + 1, IMAGE.shape[axis] - 1, 2 * IMAGE.shape[axis]]:
        shape = list(IMAGE.shape)
        shape[axis] = side
        check_refused(ask_pixels(client, form, shape), "images")


@pytest.mark.parametrize("form", PIXEL_FORMS)
@pytest.mark.parametrize(
    "shape",
    [
        *([2**32, 2**32, 1, 3], [2**62, 4, 1, 3], [2**63 - 1] * 3 + [3], [10**30] * 3 + [3]),
        # The number of elements is that of the data in 64 or 32 bits only.
        *([2**63 + 3, 2, 5, 3], [3, 2, 5 + 2**63, 3], [3 + 2**31, 2, 5, 3], [3, 2, 5 + 2**31, 3]),
        *([-3, -2, 5, 3], [3, -2, -5, 3], [3, 2, 5], [90], [3, 2, 5, 3, 1], [1, 3, 2, 5, 3], [], [1] * 5000),
        *(None, 90, "3,2,5,3", {"0": 3}, [[3, 2, 5, 3]], True),
    ],
)
def test_pixels_of_another_shape_are_refused(client, form, shape):
    check_refused(ask_pixels(client, form, shape), "images")


@pytest.mark.parametrize("form", STRING_FORMS)
def test_strings_of_another_number_are_refused(client, form):
    for count in [*HUGE, *STRANGE, 2, 3, 20_000, 20_001, 2**32 + 1]:
        check_refused(ask_strings(client, form, [count]), "image_bytes")
    for shape in ([], [1, 1], [[1]], None, 1, "1", [1] * 5000):
        check_refused(ask_strings(client, form, shape), "image_bytes")


def test_millions_of_numbers_that_do_not_fit_are_refused_at_once(client):
    for shape in ([1, 2000, 2000, 3], [10**6, 10**6, 10**6, 3]):
        for data in ("[" + "7," * 3_000_000 + "7]", "[" * 4 + "7," * 3_000_000 + "7" + "]" * 4):
            tensor = {"name": "images", "datatype": "UINT8", "shape": shape, "data": 0}
            document = {"parameters": {"signature_name": "predict_tensor"}, "inputs": [tensor]}
            answer = client.post(INFER, content=json.dumps(document).replace('"data": 0', f'"data": {data}'))
            check_refused(answer, "images.data")
            assert "3000001 in total" in answer.json()["error"]


def test_millions_of_empty_strings_are_refused_at_once(client):
    for shape in ([1], [20_000], [10**18]):
        tensor = {"name": "image_bytes", "datatype": "BYTES", "shape": shape}
        check_refused(ask(client, "serving_default", tensor, bytes(2**24)), "image_bytes")


# 300 requests, or 10,000.
@pytest.mark.parametrize("rounds", [100, pytest.param(3334, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("form", PIXEL_FORMS)
def test_exactly_the_shapes_that_fit_are_labeled(client, form, rounds):
    rng = np.random.default_rng(rounds)
    sides = [*range(1, 6), 7, *HUGE, *STRANGE]
    labeled = 0
    for _ in range(rounds):
        true = [int(side) for side in rng.integers(1, 4, 3)] + [3]
        images = np.ones(true, np.uint8)
        shape = true.copy()
        for _ in range(rng.integers(0, 3)):
            shape[rng.integers(4)] = sides[rng.integers(len(sides))]
        if rng.random() < 0.1:
            shape = shape[: rng.integers(5)]
        is_whole = len(shape) == 4 and all(type(side) is int and side > 0 for side in shape)
        fits = is_whole and shape[3] == 3 and math.prod(shape) == images.size
        fits = fits and (shape == true or form != "nested")
        answer = ask_pixels(client, form, shape, images=images)
        if fits:
            assert answer.status_code == 200
            labeled += 1
        else:
            check_refused(answer, "images")
    assert labeled > rounds / 10
