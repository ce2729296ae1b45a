"""Starting and stopping, addresses and connections."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_server import ANY_SIZE, CHECK, INFER, running_grpc
from http_server import engine_service, wait_until
from pausable_engine import PausableEngine, flat

from fcn.errors import AddressError
from fcn.server.grpc.messages import write_message
from fcn.server.grpc.server import GrpcServer
from fcn.server.listening import open_socket
from fcn.server.served_models import ServedModels

PROGRAM = Path(__file__).parents[2] / "server_program.py"
REQUEST = write_message(
    "inference.ModelInferRequest",
    model_name="fcn",
    inputs=[{"name": "images", "datatype": "UINT8", "shape": [1, 4, 5, 3]}],
    raw_input_contents=[flat(1).tobytes()],
)


def test_a_port_that_another_server_took_is_refused(tmp_path):
    with engine_service(tmp_path, PausableEngine()) as service:
        listener = open_socket("127.0.0.1", 0, "--grpc-port")
        port = listener.getsockname()[1]
        with open_socket("127.0.0.1", port) as quick:
            quick.listen()
            server = GrpcServer(ServedModels([service]), service.resources, None, listener)
            with pytest.raises(AddressError, match=rf"--grpc-port {port}: cannot be used .*in use"):
                asyncio.run(server.start(4))


def test_a_second_server_does_not_share_the_port(tmp_path):
    with running_grpc(tmp_path, PausableEngine()) as server:
        host, port = server.address.split(":")
        with pytest.raises(AddressError, match=f"--grpc-port {port}: cannot be used"):
            open_socket(host, int(port), "--grpc-port")
        with socket.socket() as another:
            another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with pytest.raises(OSError, match="in use"):
                another.bind((host, int(port)))


def test_more_connections_than_allowed_are_closed(tmp_path):
    with running_grpc(tmp_path, PausableEngine(), connections=2) as server:
        server.call(CHECK, b"")
        host, port = server.address.split(":")
        with socket.create_connection((host, int(port)), timeout=20) as second:
            assert second.recv(1)  # the settings of HTTP/2
            with socket.create_connection((host, int(port)), timeout=20) as third:
                assert third.recv(1) == b""
            assert server.call(CHECK, b"") == b"\x08\x01"


def test_a_connection_that_says_nothing_is_closed(tmp_path):
    with running_grpc(tmp_path, PausableEngine(), read_seconds=0.5) as server:
        host, port = server.address.split(":")
        with socket.create_connection((host, int(port)), timeout=20) as silent:
            start = time.monotonic()
            while silent.recv(4096):
                pass
            assert 0.2 < time.monotonic() - start < 10


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01" * 50, b"\0" * 99]
)
def test_what_is_not_http_2_is_closed(tmp_path, sent):
    with running_grpc(tmp_path, PausableEngine()) as server:
        host, port = server.address.split(":")
        with socket.create_connection((host, int(port)), timeout=20) as other:
            other.sendall(sent)
            received = b""
            while part := other.recv(4096):
                received += part
        # Nothing that a page in a browser could read as an answer.
        assert not received.startswith(b"HTTP/1")
        assert server.call(CHECK, b"") == b"\x08\x01"


def test_a_client_that_never_reads_loses_its_connection_in_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("fcn.server.grpc.server._AGE_SECONDS", 0.5)
    size = 4 * 3 * 10**6
    limits = {"answer_bytes": size, "answer_seconds": 1.0, "read_seconds": 0.5}
    with running_grpc(tmp_path, PausableEngine(), **limits) as server:
        request = write_message(
            "inference.ModelInferRequest",
            model_name="fcn",
            inputs=[{"name": "images", "datatype": "UINT8", "shape": [1, 1000, 1000, 3]}],
            outputs=[{"name": "logits"}],
            raw_input_contents=[flat(1, 1000, 1000).tobytes()],
        )
        unread = server.channel.unary_stream(INFER)(request)
        wait_until(lambda: server.requests("v2-grpc", "CANCELLED") == 1)
        # Its logits have held all memory for logits until then.
        assert len(server.call(INFER, request)) > size
        unread.cancel()


def test_stopping_answers_what_has_come_and_refuses_the_rest(tmp_path):
    engine = PausableEngine()
    with ThreadPoolExecutor(2) as clients:
        with running_grpc(tmp_path, engine) as server:
            engine.resumed.clear()
            channel = grpc.insecure_channel(server.address, ANY_SIZE)
            waiting = channel.unary_unary(INFER).future(REQUEST, timeout=20)
            wait_until(lambda: server.metric("fcn_queue_images") == 1)
            later = clients.submit(engine.resumed.wait, 20)
        # The server was stopped while the call waited for the engine.
        assert later.result()
        assert waiting.code() is grpc.StatusCode.OK
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(INFER)(REQUEST, timeout=20)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        channel.close()


@pytest.mark.slow
def test_a_signal_drains_both_servers_and_ends_them(tmp_path):
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(tmp_path), "2", "grpc"],
        env=os.environ | {"PYTHONPATH": str(PROGRAM.parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address, _ = (process.stdout.readline().strip() for _ in range(2))
        with grpc.insecure_channel(address) as channel:
            check, infer = channel.unary_unary(CHECK), channel.unary_unary(INFER)
            assert check(b"", timeout=20) == b"\x08\x01"
            waiting = infer.future(REQUEST, timeout=30)
            process.send_signal(signal.SIGTERM)
            wait_until(lambda: check(b"", timeout=20) == b"\x08\x02")
            accepted = infer.future(REQUEST, timeout=30)  # new calls are still answered
            time.sleep(0.2)
            (tmp_path / "go").touch()
            assert waiting.result()
            assert accepted.result()
            out, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert out == f"stopped by {signal.SIGTERM.value}\n"
    assert "Traceback" not in errors
    assert all(line.startswith("{") for line in errors.splitlines()), errors
