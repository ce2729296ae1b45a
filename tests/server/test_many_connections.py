"""Many idle connections, and more than there is room for: others are answered, and the log stays short."""

import http.client
import json
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from http_server import post, read_answer, running_server, wait_until
from pausable_engine import PausableEngine, flat

from fcn.data.image_io import encode_png
from fcn.server.descriptors import reserve_descriptors
from fcn.server.observability.logs import StateWarning

PROGRAM = Path(__file__).parents[1] / "server_program.py"
SEGMENT = "/v1/models/fcn:segment?output=ids"
PNG = encode_png(flat(1))
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(autouse=True)
def descriptors():
    """Both ends of each connection are in this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if reserve_descriptors(2500) < 2500:
        pytest.skip("needs 3000 descriptors")
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextmanager
def connected(port, count, data=b""):
    """Yields so many connections that have sent this."""
    with ExitStack() as open_ones:
        connections = []
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=20)
            connections.append(open_ones.enter_context(connection))
            connection.sendall(data)
        yield connections


def is_open(connection):
    """Returns whether the server has not closed a connection that it has nothing to tell."""
    connection.setblocking(False)
    try:
        return connection.recv(1 << 16) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False
    finally:
        connection.settimeout(20)


def read_one(connection):
    """Returns the status, the headers and the body of an answer; the connection stays open."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, answer.headers, answer.read()


def label(port):
    """Returns how a normal client that comes now is answered, and in which time."""
    start = time.monotonic()
    with connected(port, 1, post(SEGMENT, PNG)) as (connection,):
        return read_answer(connection)[0], time.monotonic() - start


@pytest.mark.parametrize("begin", [b"", b"POST /v1/models/fcn:segment HTTP/1.1\r\nHost: lo", HEALTH])
def test_500_idle_connections_keep_nobody_from_an_answer(tmp_path, begin):
    with (
        running_server(tmp_path, PausableEngine()) as server,
        connected(server.port, 500, begin) as idle,
    ):
        for _ in range(3):
            status, seconds = label(server.port)
            assert status == 200
            assert seconds < 5
        if begin != HEALTH:
            assert all(map(is_open, idle))  # there is room for all


def test_500_slow_bodies_beside_500_idle_connections_keep_nobody_from_an_answer(tmp_path):
    slow = post(SEGMENT, b"slow", length=100)
    with (
        running_server(tmp_path, PausableEngine()) as server,
        connected(server.port, 500),
        connected(server.port, 500, slow) as sending,
    ):
        label(server.port)  # when it is answered, all 500 heads were read, which is work
        status, seconds = label(server.port)
        assert status == 200
        assert seconds < 5
        assert all(map(is_open, sending))


@contextmanager
def trickling(connections, data):
    """Sends the rest of a request on all connections, one byte of each in turn, while the block runs."""
    stopped = threading.Event()

    def send():
        for number in range(len(data)):
            for connection in connections:
                if stopped.wait(0.001):
                    return
                with suppress(OSError):  # the server has closed it
                    connection.sendall(data[number : number + 1])

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


HEAD = b"POST /v1/models/fcn:segment HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 10_000
BODY = post(SEGMENT, b"slow", length=100_000)


def test_250_trickling_heads_and_bodies_beside_500_idle_connections_keep_nobody_from_an_answer(tmp_path):
    with (
        running_server(tmp_path, PausableEngine()) as server,
        connected(server.port, 500),
        connected(server.port, 250, HEAD[:20]) as heads,
        connected(server.port, 250, BODY) as bodies,
        trickling(heads, HEAD[20:]),
        trickling(bodies, b"a" * 10_000),
    ):
        label(server.port)
        for _ in range(3):
            status, seconds = label(server.port)
            assert status == 200
            assert seconds < 5
        assert all(map(is_open, [*heads, *bodies]))


@pytest.mark.parametrize(("sent", "rest"), [(HEAD[:20], HEAD[20:]), (BODY, b"a" * 10_000)])
def test_trickling_gains_no_time(tmp_path, sent, rest):
    with running_server(tmp_path, PausableEngine(), read_seconds=1.0) as server:
        start = time.monotonic()
        with connected(server.port, 20, sent) as slow, trickling(slow, rest):
            answers = [read_one(connection) for connection in slow]
        assert time.monotonic() - start < 10
    assert {status for status, _, _ in answers} == {408}
    assert all("within 1 s" in json.loads(body)["error"] for _, _, body in answers)


def test_idle_connections_beyond_the_limit_are_closed_for_new_ones(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "fcn.server")
    with (
        running_server(tmp_path, PausableEngine(), connections=20) as server,
        connected(server.port, 100) as idle,
    ):
        wait_until(lambda: sum(map(is_open, idle)) == 20)
        assert all(map(is_open, idle[80:]))
        assert label(server.port)[0] == 200
        wait_until(lambda: sum(map(is_open, idle)) == 19)
        assert all(map(is_open, idle[81:]))
    (line,) = [
        record for record in caplog.records if record.name == "fcn.server" and record.levelname == "WARNING"
    ]
    assert line.connections == 20


def test_a_connection_that_was_answered_waits_from_then_on(tmp_path):
    with (
        running_server(tmp_path, PausableEngine(), connections=2) as server,
        connected(server.port, 2) as (first, second),
    ):
        first.sendall(HEALTH)
        assert read_one(first)[0] == 200
        assert label(server.port)[0] == 200
        wait_until(lambda: not is_open(second))
        first.sendall(HEALTH)
        assert read_one(first)[0] == 200


def test_half_a_head_is_told_why_it_is_closed(tmp_path):
    with (
        running_server(tmp_path, PausableEngine(), connections=1) as server,
        connected(server.port, 1, HEALTH[:20]) as (slow,),
    ):
        time.sleep(0.2)
        assert label(server.port)[0] == 200
        status, headers, body = read_one(slow)
    assert (status, headers["Retry-After"], headers["Connection"]) == (503, "1", "close")
    assert "1 connections" in json.loads(body)["error"]


def test_requests_in_progress_are_not_closed_for_new_ones(tmp_path):
    engine = PausableEngine()
    with running_server(tmp_path, engine, connections=4) as server:
        engine.resumed.clear()
        with connected(server.port, 4, post(SEGMENT, PNG)) as busy:
            wait_until(lambda: server.queue() == 4)
            for _ in range(3):
                with connected(server.port, 1) as (refused,):
                    status, headers, body = read_one(refused)
                assert (status, headers["Retry-After"]) == (503, "1")
                assert list(json.loads(body)) == ["error"]
            engine.resumed.set()
            assert [read_answer(connection)[0] for connection in busy] == [200] * 4
        wait_until(lambda: label(server.port)[0] == 200)


@contextmanager
def limited_program(folder, soft, hard):
    """Yields the port of the program and its log, with so few descriptors."""

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(folder)],
            env=os.environ | {"PYTHONPATH": str(PROGRAM.parents[1])},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=limit,
        )
    try:
        url = process.stdout.readline().strip()
        yield int(url.rpartition(":")[2].strip("/")), folder / "log"
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    finally:
        process.kill()
        process.communicate()


def warnings_of(log):
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line["message"] for line in lines if line["level"] in ("warning", "error")]


@pytest.mark.parametrize("hard", [64, pytest.param(256, marks=pytest.mark.exhaustive)])
def test_few_descriptors_and_400_idle_connections(tmp_path, hard):
    (tmp_path / "go").touch()
    with limited_program(tmp_path, hard, hard) as (port, log):
        with connected(port, 400):
            for _ in range(5):
                status, seconds = label(port)
                assert status == 200
                assert seconds < 5
                time.sleep(0.3)
        assert label(port)[0] == 200
    # One of the limit at the start, and one for each state: no more, however long it lasts.
    warnings = warnings_of(log)
    assert 2 <= len(warnings) == len(set(warnings)) <= 3
    assert "fewer connections" in warnings[0]


def test_the_soft_limit_is_raised(tmp_path):
    (tmp_path / "go").touch()
    with limited_program(tmp_path, 64, 4096) as (port, log), connected(port, 400) as idle:
        assert label(port)[0] == 200
        assert all(map(is_open, idle))
    assert warnings_of(log) == []


def test_a_state_is_logged_again_after_it_was_absent(caplog):
    caplog.set_level(logging.WARNING, "fcn.server")
    state = StateWarning("full", absent_seconds=0.2)
    assert [state.log() for _ in range(3)] == [True, False, False]
    time.sleep(0.25)
    assert [state.log(), state.log()] == [True, False]
    assert [record.message for record in caplog.records] == ["full", "full"]
