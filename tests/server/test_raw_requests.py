"""No raw request gets around the token of the shipped app, and none harms the server."""

import re

import pytest
from http_server import post, running_server
from pausable_engine import PausableEngine, flat
from raw_requests import ATTEMPTS, TOKEN, Attempt

from fcn.data.image_io import encode_png
from fcn.server.app import ServerSettings

BEARER = f"Authorization: Bearer {TOKEN}"
PNG = encode_png(flat(1))
CLOSED = {"/metrics": b"fcn_queue_images", "/v1/models/fcn": b"model_version_status"}
"""What only those see who have the token."""
FAST = 6  # one of so many is tried by `make test`


@pytest.fixture(scope="module")
def engine():
    return PausableEngine()


@pytest.fixture(scope="module")
def server(engine, tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("model"), engine, ServerSettings(token=TOKEN)) as server:
        for path, secret in CLOSED.items():
            answer = server.talk(
                f"GET {path} HTTP/1.1\r\nHost: a\r\n{BEARER}\r\nConnection: close\r\n\r\n".encode()
            )
            assert answer[0] == 200
            assert secret in answer[1]
        yield server


def test_there_are_as_many_as_the_review_made():
    assert len({attempt.data for attempt in ATTEMPTS}) >= 116
    assert len({attempt.name for attempt in ATTEMPTS}) == len(ATTEMPTS)


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(attempt, id=attempt.name, marks=() if number % FAST == 0 else pytest.mark.exhaustive)
        for number, attempt in enumerate(ATTEMPTS)
    ],
)
def test_no_raw_request_gets_around_the_token(server, engine, attempt: Attempt):
    labeled = len(engine.batches)
    _, answer = server.talk(attempt.data, half_close=True)
    statuses = {int(status) for status in re.findall(rb"^HTTP/1\.1 ([1-5][0-9]{2}) ", answer, re.M)} or {None}
    assert statuses <= {*attempt.statuses}
    assert not any(secret in answer for secret in (*CLOSED.values(), b"\x89PNG", TOKEN.encode()))
    assert len(engine.batches) == labeled
    # The server goes on.
    status, answer = server.talk(post("/v1/models/fcn:segment?output=ids", PNG, BEARER))
    assert status == 200
    assert b"\x89PNG" in answer
