"""Addresses that cannot be had, and signals."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from http_server import wait_until
from pausable_engine import flat

from fcn.data.image_io import encode_png
from fcn.errors import AddressError
from fcn.server.limits import Limits
from fcn.server.listening import answer_requests, open_socket, url_of

PROGRAM = Path(__file__).parents[1] / "server_program.py"
PNG = encode_png(flat(0))


def test_port_0_is_any_that_is_free_and_the_url_says_which():
    with open_socket("127.0.0.1", 0) as one, open_socket("127.0.0.1", 0) as two:
        assert one.getsockname() != two.getsockname()
        assert url_of(one) == f"http://127.0.0.1:{one.getsockname()[1]}/"


def test_an_address_of_version_6_has_brackets():
    try:
        listener = open_socket("::1", 0)
    except AddressError:
        pytest.skip("needs IPv6")
    with listener:
        assert url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}/"


def test_a_port_in_use_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressError, match=f"--port {port}: cannot be used .*in use"):
            open_socket("127.0.0.1", port)


def test_a_port_that_another_server_took_while_the_model_was_loaded_is_refused():
    with open_socket("127.0.0.1", 0) as quick:
        port = quick.getsockname()[1]
        with open_socket("127.0.0.1", port) as slow:
            quick.listen()
            with pytest.raises(AddressError, match=f"--port {port}: cannot be used .*in use"):
                answer_requests(None, slow, Limits(), lambda: None)


@pytest.mark.parametrize("host", ["256.0.0.1", "", "a" * 64, "192.0.2.1", "x..y"])
def test_a_host_that_is_not_this_machine_is_refused(host):
    # An empty name is all addresses to the system, which nobody meant.
    with pytest.raises(AddressError, match="--host"):
        open_socket(host, 0)


@contextmanager
def program(folder, drain_seconds=0):
    """The program as a process, and its URL."""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(folder), str(drain_seconds)],
        env=os.environ | {"PYTHONPATH": str(PROGRAM.parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


class Client(threading.Thread):
    """Asks for a label, and keeps what comes."""

    def __init__(self, url):
        super().__init__()
        self.url, self.answer, self.error = url, None, None
        self.start()

    def run(self):
        try:
            self.answer = httpx.post(f"{self.url}v1/models/fcn:segment", content=PNG, timeout=60)
        except httpx.HTTPError as error:
            self.error = error


def wait_for_queue(url, count):
    wait_until(lambda: f"\nfcn_queue_images {count}.0" in httpx.get(f"{url}metrics").text)


def wait_until_closed(url):
    def is_closed():
        try:
            socket.create_connection((httpx.URL(url).host, httpx.URL(url).port)).close()
        except ConnectionRefusedError:
            return True
        return False

    wait_until(is_closed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_when_what_was_accepted_is_answered(tmp_path, number):
    with program(tmp_path) as (process, url), httpx.Client(base_url=url) as idle:
        clients = [Client(url) for _ in range(3)]
        wait_for_queue(url, 3)
        idle.get("healthz")  # its connection stays open, and must not keep the server
        process.send_signal(number)
        wait_until_closed(url)
        assert process.poll() is None
        (tmp_path / "go").touch()
        for client in clients:
            client.join(60)
        assert [client.answer.status_code for client in clients] == [200] * 3
        out, logs = process.communicate(timeout=60)
        assert out == f"stopped by {number.value}\n"
        assert process.returncode == 0
        assert "traceback" not in logs


def test_a_second_signal_ends_it_at_once(tmp_path):
    with program(tmp_path) as (process, url):
        client = Client(url)
        wait_for_queue(url, 1)
        process.send_signal(signal.SIGTERM)
        wait_until_closed(url)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == -signal.SIGTERM
        client.join(60)
        assert client.error is not None


@pytest.mark.parametrize(("number", "drains"), [(signal.SIGTERM, True), (signal.SIGINT, False)])
def test_a_server_that_is_told_to_stop_drains_before(tmp_path, number, drains):
    (tmp_path / "go").touch()
    drain_seconds = 3 if drains else 60
    with program(tmp_path, drain_seconds) as (process, url):
        assert httpx.get(f"{url}v2/health/ready").status_code == 200
        begin = time.monotonic()
        process.send_signal(number)
        if drains:
            wait_until(lambda: httpx.get(f"{url}v2/health/ready").status_code == 503)
            assert httpx.get(f"{url}healthz").status_code == 200
            answer = httpx.post(f"{url}v1/models/fcn:segment?output=ids", content=PNG)
            assert answer.status_code == 200
        assert process.wait(30) == 0
        assert (time.monotonic() - begin >= drain_seconds) == drains


def test_another_server_gets_a_quarter_as_many_connections_and_may_fail_to_start():
    class Other:
        async def start(self, connections):
            self.connections = connections
            raise AddressError("--grpc-port 1: cannot be used")

        async def stop(self, seconds):
            raise AssertionError("it was not started")

    for connections, expected in ((100, 25), (2, 1)):
        other = Other()
        with open_socket("127.0.0.1", 0) as listener, pytest.raises(AddressError, match="--grpc-port 1"):
            answer_requests(None, listener, Limits(connections=connections), lambda: None, other=other)
        assert other.connections == expected
