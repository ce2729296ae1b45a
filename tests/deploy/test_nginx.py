"""The server behind a real nginx, with its default settings."""

import asyncio
import gzip
import json
import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from http_server import png_pixels, post, running_server, wait_until
from pausable_engine import PausableEngine, flat

from fcn.classes import MAX_CLASSES, MAX_NAME_CHARACTERS, Classes
from fcn.data.image_io import encode_png
from fcn.server.app import ServerSettings

pytestmark = pytest.mark.slow

PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PNG = encode_png(flat(1))
SEGMENT = "/v1/models/fcn:segment?output=ids"
HEAD_BYTES = 4096
"""Size of the buffer that nginx uses for the headers of a response (proxy_buffer_size)."""

# What Debian's nginx.conf sets, with places of our own. The second server allows larger bodies, and gives
# the upstream a name.
CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 768; }}
http {{
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    default_type application/octet-stream;
    access_log off;
    gzip on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream fcn-server {{ server 127.0.0.1:{port}; }}
    server {{
        listen 127.0.0.1:{plain};
        location / {{ proxy_pass http://127.0.0.1:{port}; }}
    }}
    server {{
        listen 127.0.0.1:{named};
        client_max_body_size 32m;
        location / {{ proxy_pass http://fcn-server; }}
    }}
}}
"""


def free_ports(count):
    """Returns ports that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@contextmanager
def running_nginx(folder: Path, port: int):
    """Yields clients of nginx in front of a port: of the plain server, and of the one with larger bodies."""
    if PROGRAM is None:
        pytest.skip("needs nginx: apt-get install nginx-light")
    plain, named = free_ports(2)
    user = "user root;" if os.getuid() == 0 else ""
    text = CONFIGURATION.format(user=user, folder=folder, port=port, plain=plain, named=named)
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen([PROGRAM, "-p", str(folder), "-c", str(folder / "nginx.conf")])

    def answers():
        assert process.poll() is None, (folder / "error.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", named)).close()
        except OSError:
            return False
        return True

    try:
        wait_until(answers)
        with (
            httpx.Client(base_url=f"http://127.0.0.1:{plain}", timeout=30) as client,
            httpx.Client(base_url=f"http://127.0.0.1:{named}", timeout=30) as large,
        ):
            yield client, large
    finally:
        process.terminate()
        process.wait(20)


class ManyClasses(PausableEngine):
    """An engine with as many classes as there can be, whose names take most bytes in JSON."""

    def __init__(self):
        super().__init__()
        names = [
            f"{number:03}" + "\N{GRINNING FACE}" * (MAX_NAME_CHARACTERS - 3) for number in range(MAX_CLASSES)
        ]
        self.classes = Classes.named(tuple(names))


@pytest.fixture(scope="module")
def engine():
    return ManyClasses()


@pytest.fixture(scope="module")
def server(engine, tmp_path_factory):
    settings = ServerSettings(allowed_hosts=("fcn-server",), cors_origins=("https://labels.example.com",))
    with running_server(tmp_path_factory.mktemp("model"), engine, settings) as server:
        yield server


@pytest.fixture(scope="module")
def proxies(server, tmp_path_factory):
    with running_nginx(tmp_path_factory.mktemp("nginx"), server.port) as proxies:
        yield proxies


def all_classes():
    """Returns an image in which all classes occur."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[..., 0] = (np.arange(48 * 64) % MAX_CLASSES).reshape(48, 64)
    return image


@pytest.mark.parametrize("output", ["label", "ids", "overlay", "rle", "polygons"])
def test_answers_pass_whatever_the_classes(server, proxies, output):
    path, headers = f"/v1/models/fcn:segment?output={output}", {"Origin": "https://labels.example.com"}
    image = encode_png(all_classes())
    direct = server.client.post(path, content=image, headers=headers)
    passed = proxies[0].post(path, content=image, headers=headers)
    assert (direct.status_code, passed.status_code) == (200, 200)
    assert passed.content == direct.content
    for name in ("x-fcn-areas", "x-fcn-areas-left-out", "x-fcn-mean-confidence", "content-type"):
        assert passed.headers[name] == direct.headers[name]
    areas = json.loads(passed.headers["x-fcn-areas"])
    assert len(areas) + int(passed.headers["x-fcn-areas-left-out"]) == MAX_CLASSES
    lines = [f"X-Request-Id: {'r' * 64}", *[f"{name}: {value}" for name, value in headers.items()]]
    _, answer = server.talk(post(path, image, *lines))
    assert len(answer.partition(b"\r\n\r\n")[0]) < HEAD_BYTES


def test_other_protocols_pass(proxies):
    for path in (
        "/v1/models/fcn",
        "/v1/models/fcn:classes",
        "/v2",
        "/v2/models/fcn",
        "/v2/health/ready",
        "/",
    ):
        answer = proxies[0].get(path)
        assert answer.status_code == 200, path
        head = proxies[0].head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == answer.headers["content-type"]
    assert "error" in proxies[0].get("/nothing").json()
    pixels = {"name": "images", "datatype": "UINT8", "shape": [1, 4, 5, 3], "data": flat(7).ravel().tolist()}
    body = gzip.compress(json.dumps({"inputs": [pixels]}).encode())
    answer = proxies[0].post("/v2/models/fcn/infer", content=body, headers={"Content-Encoding": "gzip"})
    assert set(answer.json()["outputs"][0]["data"]) == {7}


def test_large_images_pass_where_nginx_allows_their_size(server, proxies):
    noise = np.random.default_rng(0).integers(0, MAX_CLASSES, (900, 1000, 3), np.uint8)
    noise[0, 0, 1] = 0  # other values tell the engine what to do
    data = encode_png(noise)
    assert len(data) > 2_000_000
    refused = proxies[0].post(SEGMENT, content=data)
    assert (refused.status_code, "nginx" in refused.text) == (413, True)
    passed = proxies[1].post(SEGMENT, content=data)
    assert passed.status_code == 200
    assert len(passed.content) > 500_000
    np.testing.assert_array_equal(png_pixels(passed.content), noise[..., 0])


def test_refusals_pass_with_the_time_to_wait(tmp_path):
    (tmp_path / "nginx").mkdir()
    engine = PausableEngine()
    with (
        running_server(tmp_path, engine, answer_seconds=5.0, queue_images=1) as server,
        running_nginx(tmp_path / "nginx", server.port) as (plain, _),
    ):
        check_refusals(server, plain, engine)


def check_refusals(server, proxy, engine):
    async def crowd():
        async with httpx.AsyncClient(base_url=proxy.base_url, timeout=30) as client:
            engine.resumed.clear()
            begin = time.monotonic()
            first = asyncio.create_task(client.post(SEGMENT, content=PNG))
            await asyncio.to_thread(wait_until, lambda: server.queue() == 1)
            busy = await client.post(SEGMENT, content=PNG)
            late = await first
            return busy, late, time.monotonic() - begin

    try:
        busy, late, seconds = asyncio.run(crowd())
    finally:
        engine.resumed.set()
    assert (busy.status_code, busy.headers["retry-after"].isdecimal()) == (429, True)
    assert "queue is full" in busy.json()["error"]
    assert late.status_code == 504
    assert "5 s" in late.json()["error"]
    assert seconds < 30
    wait_until(lambda: proxy.get("/v2/health/ready").status_code == 200)


def test_a_name_of_the_upstream_has_to_be_allowed(tmp_path):
    (tmp_path / "nginx").mkdir()
    with (
        running_server(tmp_path, PausableEngine()) as server,
        running_nginx(tmp_path / "nginx", server.port) as (plain, named),
    ):
        assert plain.get("/v1/models/fcn").status_code == 200  # nginx sends the address of the server
        refused = named.get("/v1/models/fcn")
        assert (refused.status_code, "--allowed-host" in refused.json()["error"]) == (421, True)


def test_a_server_that_stops_is_not_ready(tmp_path):
    (tmp_path / "nginx").mkdir()
    with (
        running_server(tmp_path, PausableEngine()) as server,
        running_nginx(tmp_path / "nginx", server.port) as (plain, _),
    ):
        server.service.resources.drain()
        refused = plain.get("/v2/health/ready")
        assert (refused.status_code, refused.json()["error"]) == (503, "The server is stopping.")
        assert plain.post(SEGMENT, content=PNG).status_code == 200
