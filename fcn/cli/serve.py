"""The command `fcn serve`."""

import argparse
import logging
import os
import re
import signal
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from fcn.cli.arguments import (
    MODEL_HELP,
    Commands,
    add_command,
    add_engine,
    add_memory,
    add_trust,
    describe_export,
    open_predictor,
)
from fcn.cli.serve_limits import add_limits, read_limits
from fcn.cli.serve_models import find_models, print_address, read_name, read_named_model
from fcn.errors import ConfigError
from fcn.server.cross_origin import check_origins, is_origin
from fcn.server.limits import Swap
from fcn.system.backend import start_backend
from fcn.system.optional import missing_package

if TYPE_CHECKING:
    from fcn.inference.predictor import Predictor

_TOKEN = "FCN_SERVE_TOKEN"
_PACKAGES = ("fastapi", "orjson", "prometheus_client", "uvicorn")
_GRPC_PORT = "--grpc-port"
_LONGEST_HOST_NAME = 253
"""Number of characters, from RFC 1035."""


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    serve = add_command(
        commands,
        "serve",
        run,
        "Serve nets over HTTP, with a page to try them on.",
        "python -m fcn serve exported/voc --port 8501",
    )
    serve.add_argument(
        "models",
        type=read_named_model,
        nargs="+",
        metavar="[NAME=]MODEL",
        help=f"{MODEL_HELP}; new versions in an exported folder are loaded as they appear. Several, with a "
        "name each, share the queue and the memory",
    )
    serve.add_argument(
        "--name",
        type=read_name,
        default="fcn",
        help="name in URLs of the model that is given without one; default: fcn",
    )
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 accepts other machines; default: 127.0.0.1",
    )
    serve.add_argument(
        "--port",
        type=_port,
        default=8501,
        metavar="N",
        help="port to listen on; 0 for any free one; default: 8501",
    )
    serve.add_argument(
        _GRPC_PORT,
        type=_port,
        metavar="N",
        help="also answer gRPC at this port, of TensorFlow Serving and of the Open Inference Protocol; 0 for "
        "any free one; default: no gRPC",
    )
    add_engine(serve)
    add_memory(serve, "4")
    serve.add_argument(
        "--swap",
        choices=get_args(Swap),
        default="beside",
        help="what to do when a new version and the one before do not both fit into the memory. beside: "
        "refuse the new one; drain: unload the old one first, while requests get 503; default: beside",
    )
    add_limits(serve)
    serve.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"file with the token that clients must send as Authorization: Bearer TOKEN; or set {_TOKEN}; "
        "default: no token",
    )
    serve.add_argument(
        "--allowed-host",
        type=_host_name,
        action="append",
        default=[],
        metavar="NAME",
        help="name under which a server without a token answers, besides IP addresses, localhost, "
        "--host and the name of this machine; repeatable",
    )
    serve.add_argument(
        "--cors-origin",
        type=_origin,
        action="append",
        default=[],
        metavar="ORIGIN",
        help="origin whose pages may use the server from a browser, such as https://labels.example.com; * "
        "for all, without a token; repeatable; default: only the server's own page",
    )
    add_trust(serve)
    serve.add_argument("--examples", type=Path, metavar="FOLDER", help="images to choose from on the page")


def run(options: argparse.Namespace) -> None:
    """Serves nets until the process is told to stop."""
    for package in _PACKAGES:
        if find_spec(package) is None:  # importing them takes a second; mistakes in arguments come first
            raise missing_package("serve", package, "serve")
    _check_grpc(options.grpc_port, options.port)
    limits, token = read_limits(options), _token(options.token_file)
    check_origins(options.cors_origin, token is not None)
    if options.examples is not None and not options.examples.is_dir():
        raise ConfigError(f"--examples {options.examples}: expected a folder of images.")
    found = find_models(options.models, options.name, options.engine)
    from fcn.server.decoding import DECODERS_BYTES, Decoders
    from fcn.server.listening import answer_requests, open_socket

    # Both before the model, which takes seconds and makes this process large.
    with ExitStack() as opened:
        listener = opened.enter_context(open_socket(options.host, options.port))
        grpc_listener = None
        if options.grpc_port is not None:
            grpc_listener = opened.enter_context(open_socket(options.host, options.grpc_port, _GRPC_PORT))
        decoders = opened.enter_context(Decoders())
        decoders.start()
        from fcn.server.observability.logs import start_logs

        start_logs()
        for name, model in found.items():
            logging.getLogger("fcn.server").info("loading", extra={"model": name, "path": str(model)})
        start_backend(options.engine)
        from fcn.inference.predictor import MEMORY_GIGABYTES
        from fcn.inference.views import PLAIN
        from fcn.server.app import ServerSettings, create_app
        from fcn.server.engine_memory import EngineMemory
        from fcn.server.observability.metrics import Metrics
        from fcn.server.resources import ServerResources
        from fcn.server.served_models import ServedModels
        from fcn.server.service import Service

        def open_net(path: Path) -> "Predictor":
            engine, precision, memory = options.engine, options.precision, options.memory
            return open_predictor(path, engine, precision, PLAIN, memory, options.trust, DECODERS_BYTES)

        for model in found.values():
            if notice := describe_export(model):
                logging.getLogger("fcn.server").warning(notice)
        memory = EngineMemory(options.memory or MEMORY_GIGABYTES, DECODERS_BYTES)
        resources = ServerResources(limits, Metrics(), decoders, memory, options.swap)
        with ExitStack() as closing:
            closing.callback(resources.close)
            services = []
            for name, model in found.items():
                services.append(Service(name, model, open_net, resources))
                closing.callback(services[-1].close)
            hosts, origins = (options.host, *options.allowed_host), tuple(options.cors_origin)
            settings = ServerSettings(token, options.examples, hosts, origins)
            models = ServedModels(services)
            app, grpc_server = create_app(models, resources, settings), None
            if grpc_listener is not None:
                from fcn.server.grpc.server import GrpcServer

                grpc_server = GrpcServer(models, resources, token, grpc_listener)
            grpc_address = None if grpc_server is None else grpc_server.address
            what = (listener, services, token is not None, options.json, grpc_address)
            when_ready = partial(print_address, *what)
            number = answer_requests(app, listener, limits, when_ready, resources.drain, grpc_server)
    if number is not None:
        signal.raise_signal(number)  # the process ends as for any other command


def _check_grpc(grpc_port: int | None, port: int) -> None:
    """Checks the port for gRPC, and that its package is there.

    Raises:
        ConfigError: If it is that for HTTP.
        BackendError: If the package is missing.
    """
    if grpc_port is None:
        return
    if grpc_port == port != 0:
        raise ConfigError(f"{_GRPC_PORT} {grpc_port}: expected another port than --port {port}.")
    if find_spec("grpc") is None:
        raise missing_package(_GRPC_PORT, "grpcio", "serve")


def _token(path: Path | None) -> str | None:
    """Returns the token that clients must send.

    Raises:
        ConfigError: If a header cannot hold it.
        OSError: If its file cannot be read.
    """
    if path is None:
        where, token = _TOKEN, os.environ.get(_TOKEN)
        if token is None:
            return None
    else:
        where, token = f"--token-file {path}", path.read_bytes().decode("latin-1").strip()
    if not re.fullmatch(r"[!-~]+", token):
        raise ConfigError(
            f"{where}: expected a token of one or more ASCII letters, digits or signs, on one line."
        )
    return token


def _host_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", text) or len(text) > _LONGEST_HOST_NAME:
        raise argparse.ArgumentTypeError(
            f"expected a name without a port, such as labels.example.com, received {text!r}"
        )
    return text


def _origin(text: str) -> str:
    if not is_origin(text):
        raise argparse.ArgumentTypeError(
            "expected an origin as browsers send it, such as https://labels.example.com or "
            f"http://localhost:3000, in lower case, without a path or a default port; or *; received {text!r}"
        )
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected 0 to 65535, received {text!r}")
    return int(text)
