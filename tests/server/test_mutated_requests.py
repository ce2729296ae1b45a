"""Requests that are almost right: answered or refused, and the server goes on."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from http_server import running_server
from pausable_engine import PausableEngine, flat

from fcn.data.image_io import encode_png
from fcn.server.interface import string_tensor
from fcn.server.protocols.json_tensors import encode_base64
from fcn.server.protocols.v2_messages import HEADER_LENGTH
from fcn.server.protocols.v2_tensors import tensor_bytes

PREDICT, INFER = "/v1/models/fcn:predict", "/v2/models/fcn/infer"
PNG = encode_base64(encode_png(flat(1)))
PIXELS = np.stack([flat(2)] * 2).tolist()
CHUNK = tensor_bytes(string_tensor([encode_png(flat(1))]))
V2_TEXT = {"name": "image_bytes", "datatype": "BYTES", "shape": [1]}
V2_PIXELS = {"name": "images", "datatype": "UINT8", "shape": [2, 4, 5, 3], "data": PIXELS}
VALID = [
    (PREDICT, {"instances": [{"b64": PNG}, {"b64": PNG}]}, b""),
    (PREDICT, {"inputs": {"image_bytes": [{"b64": PNG}]}}, b""),
    (PREDICT, {"signature_name": "predict_tensor", "instances": PIXELS}, b""),
    (PREDICT, {"signature_name": "predict_logits", "inputs": {"images": PIXELS}}, b""),
    (INFER, {"inputs": [{**V2_TEXT, "data": [PNG], "parameters": {"content_type": "base64"}}]}, b""),
    (INFER, {"inputs": [V2_PIXELS], "id": "1", "parameters": {"signature_name": "predict_tensor"}}, b""),
    (
        INFER,
        {
            "inputs": [{**V2_TEXT, "parameters": {"binary_data_size": len(CHUNK)}}],
            "outputs": [{"name": "class_areas", "parameters": {"binary_data": True}}],
        },
        CHUNK,
    ),
]
STRANGE = [
    *(None, True, False, 0, -1, 1.5, 256, 10**30, "", "a", "\0", [], {}, [[]], [None]),
    *({"b64": "!"}, {"b64": None}, [1, 2, 3], "é", 2**63),
]
BYTES = [
    b"",
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b",",
    b":",
    b"\xff",
    b"\0",
    b"9",
    b"-",
    b"e",
    b"\\",
    b"null",
    b" ",
]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versions")
    with running_server(folder, PausableEngine(), image_pixels=1000) as server:
        yield server.client


def post(client, path, text, rest):
    headers = {HEADER_LENGTH: str(len(text))} if rest else {}
    return client.post(path, content=text + rest, headers=headers)


def check(answer):
    assert answer.status_code == 200 or 400 <= answer.status_code < 500
    if answer.status_code != 200:
        document = answer.json()
        assert list(document) == ["error"]
        assert 0 < len(document["error"]) < 1000
    return answer.status_code


def mutate_bytes(text, rng):
    for _ in range(rng.integers(1, 4)):
        start = rng.integers(len(text) + 1)
        text = text[:start] + BYTES[rng.integers(len(BYTES))] + text[start + rng.integers(0, 3) :]
    return text


def mutate_document(document, rng):
    """Puts something strange somewhere into a document."""
    node = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = keys[rng.integers(len(keys))]
        if not isinstance(node[key], (dict, list)) or not node[key] or rng.random() < 0.4:
            break
        node = node[key]
    how = rng.integers(3)
    if how == 0:
        node[key] = STRANGE[rng.integers(len(STRANGE))]
    elif how == 1:
        del node[key]
    elif isinstance(node, dict):
        node["x"] = node[key]
    else:
        node.append(node[key])


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# 900 requests in all, or more than 10,000.
@pytest.mark.parametrize("rounds", [60, pytest.param(720, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize(("path", "document", "rest"), VALID)
def test_mutated_requests_are_answered_or_refused(client, path, document, rest, rounds):
    valid = json.dumps(document).encode()
    assert check(post(client, path, valid, rest)) == 200
    rng = np.random.default_rng(len(valid))
    statuses = set()
    memory = []
    for _ in range(rounds):
        memory.append(resident_bytes())
        statuses.add(check(post(client, path, mutate_bytes(valid, rng), rest)))
        mutated = json.loads(valid)
        mutate_document(mutated, rng)
        statuses.add(check(post(client, path, json.dumps(mutated).encode(), rest)))
        if rest:
            statuses.add(check(post(client, path, valid, mutate_bytes(rest, rng))))
    assert 400 in statuses
    assert np.median(memory[-10:]) - np.median(memory[20:30]) < 2**25
    assert check(post(client, path, valid, rest)) == 200
