"""The app that ships, answering on this machine with a test engine: in a thread, with real connections."""

import atexit
import socket
import threading
import time
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import uvicorn
from pausable_engine import PausableEngine
from PIL import Image

from fcn.inference.predictor import Predictor
from fcn.runs.arrival import write_file_sizes
from fcn.server.app import ServerSettings, create_app
from fcn.server.decoding import Decoders
from fcn.server.engine_memory import EngineMemory
from fcn.server.limits import Limits
from fcn.server.listening import configure, open_socket
from fcn.server.observability.metrics import Metrics
from fcn.server.resources import ServerResources
from fcn.server.served_models import ServedModels
from fcn.server.service import Service

_PLAIN = ServerSettings()


class RunningServer(NamedTuple):
    """Server that is running."""

    port: int
    service: Service
    client: httpx.Client

    def talk(self, data, half_close=False):
        """Sends bytes, and returns the status and all that comes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            return read_answer(connection)

    def queue(self):
        """Returns how many images were accepted and are not answered."""
        text = self.service.metrics.text()
        return float(text.rpartition(b"\nfcn_queue_images ")[2].split()[0])


def read_answer(connection):
    """Returns the status and the rest of the only answer on a connection, once the server closes it."""
    answer = b""
    while part := connection.recv(1 << 16):
        answer += part
    return int(answer.split()[1]) if answer else None, answer


def post(path, body, *headers, length=None):
    """Returns a request that closes its connection."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def wait_until(happened):
    until = time.monotonic() + 20
    while not happened():
        if time.monotonic() > until:
            raise TimeoutError("it did not happen")
        time.sleep(0.005)


def png_pixels(data):
    """Returns the pixels of a PNG."""
    return np.array(Image.open(BytesIO(data)))


@cache
def decoders():
    """Returns the processes that decode images, the same for all tests of this process."""
    started = Decoders()
    atexit.register(started.close)
    return started


def server_resources(gigabytes=4.0, swap="beside", **limits):
    """Returns the resources of a server."""
    return ServerResources(Limits(**limits), Metrics(), decoders(), EngineMemory(gigabytes), swap)


def model_metrics():
    """Returns the metrics of a model."""
    return Metrics().of_model("fcn")


@contextmanager
def engine_service(folder: Path, engine: PausableEngine, version=1, **limits):
    """Yields a service of one version."""
    (folder / str(version)).mkdir(exist_ok=True)
    (folder / str(version) / "saved_model.pb").touch()
    write_file_sizes(folder / str(version))
    predictor = Predictor.from_engine(engine)
    service = Service("fcn", folder, lambda path: predictor, server_resources(**limits))
    try:
        yield service
    finally:
        engine.resumed.set()
        service.close()


@contextmanager
def running_server(folder: Path, engine: PausableEngine, settings=_PLAIN, version=1, **limits):
    """Yields a server in a thread, with an engine."""
    with (
        engine_service(folder, engine, version, **limits) as service,
        running_service(service, settings) as server,
    ):
        try:
            yield server
        finally:
            engine.resumed.set()


@contextmanager
def running_service(service: Service, settings=_PLAIN):
    """Yields a server in a thread, with a service."""
    app = create_app(ServedModels([service]), service.resources, settings)
    with running_app(app, service.resources) as (port, client):
        yield RunningServer(port, service, client)


@contextmanager
def running_app(app, resources):
    """Yields the port and a client of an application that answers in a thread."""
    server = uvicorn.Server(configure(app, resources.limits))
    with open_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        wait_until(lambda: server.started)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
                yield port, client
        finally:
            server.should_exit = True
            thread.join(30)


@contextmanager
def engine_services(folder: Path, engines: dict[str, PausableEngine], **limits):
    """Yields a service by name for each engine; they share their resources."""
    resources = server_resources(**limits)
    services = {}
    try:
        for name, engine in engines.items():
            (folder / name / "1").mkdir(parents=True)
            (folder / name / "1" / "saved_model.pb").touch()
            write_file_sizes(folder / name / "1")
            services[name] = Service(
                name, folder / name, lambda _, engine=engine: Predictor.from_engine(engine), resources
            )
        yield services
    finally:
        for engine in engines.values():
            engine.resumed.set()
        for service in services.values():
            service.close()
        resources.close()


@contextmanager
def running_models(folder: Path, engines: dict[str, PausableEngine], settings=_PLAIN, **limits):
    """Yields a server in a thread with a model for each engine, and the services by name."""
    with engine_services(folder, engines, **limits) as services:
        first = next(iter(services.values()))
        app = create_app(ServedModels([*services.values()]), first.resources, settings)
        with running_app(app, first.resources) as (port, client):
            yield RunningServer(port, first, client), services
