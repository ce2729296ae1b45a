"""Messages that are almost right: answered or refused, and the server goes on."""

import os
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_server import INFER, PREDICT, running_grpc
from pausable_engine import PausableEngine, flat

from fcn.data.image_io import encode_png
from fcn.server.grpc.messages import write_message
from fcn.server.grpc.numbers import write_uint8

PNG = encode_png(flat(1))
PIXELS = np.stack([flat(2), flat(200)])
SHAPE = {"dim": [{"size": side} for side in PIXELS.shape]}


def predict(signature, **tensor):
    name = "image_bytes" if "string_val" in tensor else "images"
    return PREDICT, write_message(
        "tensorflow.serving.PredictRequest",
        model_spec={"name": "fcn", "signature_name": signature, "version": {"value": 1}},
        inputs={name: tensor},
        output_filter=["class_areas"] if "string_val" in tensor else [],
    )


def infer(data=(), **tensor):
    return INFER, write_message(
        "inference.ModelInferRequest",
        model_name="fcn",
        model_version="1",
        id="1",
        parameters={"priority": {"int64_param": 1}},
        inputs=[tensor],
        raw_input_contents=data,
    )


V2_PIXELS = {"name": "images", "datatype": "UINT8", "shape": PIXELS.shape}
VALID = [
    predict("", dtype=7, tensor_shape={"dim": [{"size": 2}]}, string_val=[PNG, PNG]),
    predict("predict_tensor", dtype=4, tensor_shape=SHAPE, tensor_content=PIXELS.tobytes()),
    predict("predict_logits", dtype=4, tensor_shape=SHAPE, int_val=[write_uint8(PIXELS)]),
    infer([PIXELS.tobytes()], **V2_PIXELS),
    infer(**V2_PIXELS, contents={"uint_contents": [write_uint8(PIXELS)]}),
    infer(name="image_bytes", datatype="BYTES", shape=[1], contents={"bytes_contents": [PNG]}),
]
REFUSALS = {"INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}
BYTES = [b"", b"\0", b"\x01", b"\x08", b"\x0a", b"\x12\0", b"\x7f", b"\x80", b"\xff", b"\xff\xff\xff\xff\x0f"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versions")
    with running_grpc(folder, PausableEngine(), image_pixels=1000, request_bytes=2**20) as server:
        yield server


def status_of(server, path, data):
    answer = server.channel.unary_unary(path).future(data, timeout=20)
    code = answer.code()
    assert code is grpc.StatusCode.OK or 0 < len(answer.details()) < 1000
    return code.name


def mutate(data, rng):
    """Changes one to three places, most of them near the beginning, where the fields are."""
    for _ in range(rng.integers(1, 4)):
        length = len(data) if rng.random() < 0.3 else min(len(data), 80)
        start = int(rng.integers(length + 1))
        data = data[:start] + BYTES[rng.integers(len(BYTES))] + data[start + int(rng.integers(0, 3)) :]
    return data[: rng.integers(len(data) + 1)] if rng.random() < 0.1 else data


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# 240 messages in all, or more than 10,000.
@pytest.mark.parametrize("rounds", [40, pytest.param(1700, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize(("path", "valid"), VALID)
def test_mutated_messages_are_answered_or_refused(server, path, valid, rounds):
    assert status_of(server, path, valid) == "OK"
    rng = np.random.default_rng(len(valid))
    statuses, memory = set(), []
    for _ in range(rounds):
        memory.append(resident_bytes())
        statuses.add(status_of(server, path, mutate(valid, rng)))
    assert "INVALID_ARGUMENT" in statuses
    assert statuses <= REFUSALS | {"OK"}
    assert np.median(memory[-10:]) - np.median(memory[20:30]) < 2**25
    assert server.pool.free == server.service.limits.body_bytes
    assert status_of(server, path, valid) == "OK"


@pytest.mark.parametrize("path", [PREDICT, INFER])
def test_random_bytes_are_refused(server, path):
    rng = np.random.default_rng(0)
    for _ in range(50):
        data = rng.integers(0, 256, rng.integers(1, 200)).astype(np.uint8).tobytes()
        assert status_of(server, path, data) in REFUSALS
