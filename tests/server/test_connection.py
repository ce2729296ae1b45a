"""Clients that are slow, stop in the middle, send too much or no HTTP at all, as sockets see them."""

import json
import re
import socket
import struct
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from http_server import post, read_answer, running_server, wait_until
from pausable_engine import PausableEngine, flat

from fcn.data.image_io import encode_label, encode_png

SEGMENT = "/v1/models/fcn:segment?output=ids"
LIMIT = 200_000


@pytest.fixture(scope="module")
def engine():
    return PausableEngine()


@pytest.fixture(scope="module")
def server(engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    limits = {"read_seconds": 1.0, "request_bytes": LIMIT, "body_bytes": 2 * LIMIT, "queue_images": 4}
    with running_server(folder, engine, **limits) as server:
        yield server


@pytest.fixture(autouse=True)
def lives(server, engine):
    """After every test the next request is answered, and nothing is held."""
    yield
    engine.resumed.set()
    wait_until(lambda: server.queue() == 0)
    assert server.talk(post(SEGMENT, encode_png(flat(1))))[0] == 200


def error_of(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head.lower()
    return json.loads(body)["error"]


def kept_open(request_):
    """Returns a request after which others might come."""
    return request_.replace(b"Connection: close\r\n", b"")


def chunked(*parts):
    head = post(SEGMENT, b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    return head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


def test_a_client_that_only_stops_sending_gets_its_answer(server, engine):
    engine.resumed.clear()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(kept_open(post(SEGMENT, encode_png(flat(1)))))
        connection.shutdown(socket.SHUT_WR)
        wait_until(lambda: server.queue() == 1)
        time.sleep(0.2)
        engine.resumed.set()
        status, answer = read_answer(connection)
    assert status == 200
    assert b"\x89PNG" in answer


@pytest.mark.parametrize("leave", ["close later", "reset"])
def test_a_client_that_goes_away_gives_its_place_back(server, engine, leave):
    engine.resumed.clear()
    engine.started.clear()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as first:
        first.sendall(post(SEGMENT, encode_png(flat(1))))
        # Two processes decode: the second image must not overtake the first, or nothing could stop it.
        assert engine.started.wait(20)
        assert server.queue() == 1
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as second:
            second.sendall(post(SEGMENT, encode_png(flat(2))))
            wait_until(lambda: server.queue() == 2)
            if leave == "reset":
                second.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                time.sleep(1.1)  # what closes sooner may only have said that it sends no more
        wait_until(lambda: server.queue() == 1)
        labeled = len(engine.batches)
        engine.resumed.set()
        assert read_answer(first)[0] == 200
    assert len(engine.batches) == labeled + 1
    assert b'fcn_requests_total{protocol="segment",status="499"}' in server.service.metrics.text()


@pytest.mark.parametrize(
    "request_",
    [
        post(SEGMENT, b"only a part", length=100),
        chunked(b"only a part"),
        chunked(b"a part", b"and half") + b"20\r\nof the next",
        post("/nothing", b"only a part", length=100),
    ],
    ids=["length", "chunks", "in a chunk", "nobody reads it"],
)
def test_half_a_body_is_refused(server, request_):
    status, answer = server.talk(request_, half_close=True)
    if b"/nothing" in request_:
        assert status == 404
    else:
        assert status == 400
        assert "then nothing" in error_of(answer)


def test_a_slow_body_is_refused(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(kept_open(post(SEGMENT, b"slow", length=100)))
        status, answer = read_answer(connection)
    assert status == 408
    assert "within 1 s" in error_of(answer)


@pytest.mark.parametrize("begin", [b"", b"POST /v1/models/fcn:segment HTTP/1.1\r\nHost: he"])
def test_a_slow_head_is_refused(server, begin):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        if begin:
            connection.sendall(begin)
        status, answer = read_answer(connection)
    assert status == 408
    assert "within 1 s" in error_of(answer)


def test_a_client_that_does_not_read_its_answer_is_cut_off(server):
    noise = np.random.default_rng(0).integers(0, 90, (420, 420), np.uint8)
    request_ = kept_open(post(SEGMENT, encode_label(noise)))
    assert server.talk(post(SEGMENT, encode_label(noise)))[0] == 200
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", server.port))

        def ask_and_ask():
            # More than the system keeps on the way: the last of it is not taken before answers are read.
            for _ in range(400):
                connection.sendall(request_)

        with pytest.raises(ConnectionError):
            ask_and_ask()


def test_a_slow_head_after_an_answer_is_refused(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            answer += connection.recv(1 << 16)
        connection.sendall(b"GET /heal")
        status, answer = read_answer(connection)
    assert status == 408
    assert "within 1 s" in error_of(answer)


def test_requests_on_one_connection_are_answered_in_their_order(server):
    requests = [
        kept_open(post("/v1/models/other:segment", b"x" * 100_000)),
        kept_open(post(SEGMENT, encode_png(flat(1)))),
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ]
    _, answer = server.talk(b"".join(requests))
    starts = [part.split()[0] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert starts == [b"404", b"200", b"200"]


@pytest.mark.parametrize("length", [0, 5, 50, 10**6])
@pytest.mark.parametrize("path", [SEGMENT, "/nothing", "/healthz"])
def test_a_body_with_two_lengths_is_the_last_of_its_connection(server, length, path):
    png = encode_png(flat(1))
    begin = kept_open(post(path, b"", "Transfer-Encoding: chunked", length=length))
    following = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    status, answer = server.talk(begin + b"%x\r\n%s\r\n0\r\n\r\n" % (len(png), png) + following)
    assert status == {SEGMENT: 200, "/nothing": 404, "/healthz": 405}[path]
    assert b"\r\nconnection: close\r\n" in answer.partition(b"\r\n\r\n")[0].lower() + b"\r\n"
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("size", [LIMIT + 1, 2 * LIMIT])
@pytest.mark.parametrize("in_chunks", [False, True])
def test_too_large_a_body_is_refused_and_the_client_sees_it(server, size, in_chunks):
    body = bytes(size)
    request_ = chunked(body[: LIMIT // 2], body[LIMIT // 2 :], b"") if in_chunks else post(SEGMENT, body)
    status, answer = server.talk(request_)
    assert status == 413
    assert f"at most {LIMIT} bytes" in error_of(answer)


def test_a_body_of_a_terabyte_is_refused_before_it_comes(server):
    status, answer = server.talk(kept_open(post(SEGMENT, b"", "Expect: 100-continue", length=10**12)))
    assert status == 413
    assert b"100 Continue" not in answer


def test_bodies_give_their_room_back(server):
    for _ in range(5):
        assert server.talk(post(SEGMENT, bytes(LIMIT)))[0] == 400


def test_a_crowd_is_answered_or_told_to_come_again(server, engine):
    engine.resumed.clear()
    with ThreadPoolExecutor(20) as crowd:
        answers = [crowd.submit(server.talk, post(SEGMENT, encode_png(flat(1)))) for _ in range(20)]
        wait_until(lambda: sum(answer.done() for answer in answers) == 16)
        engine.resumed.set()
        statuses = Counter(answer.result()[0] for answer in answers)
        refused = [answer.result()[1] for answer in answers if answer.result()[0] == 429]
    assert statuses == {200: 4, 429: 16}
    assert all(re.search(rb"\r\nretry-after: [1-9]", answer) for answer in refused)
    assert "images are waiting" in error_of(refused[0])


def test_a_client_that_asks_may_send_its_body(server):
    png = encode_png(flat(1))
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(post(SEGMENT, b"", "Expect: 100-continue", length=len(png)))
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 100")
        connection.sendall(png)
        assert read_answer(connection)[0] == 200


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["TLS", "no target", "no host", "no chunk", "long"],
)
def test_what_is_no_http_is_refused(server, nonsense):
    status, answer = server.talk(nonsense)
    assert status == 400
    assert error_of(answer)
