"""The command `fcn serve`."""

import argparse
import json
import logging
import os
import re
import signal
import socket
import sys
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from fcn.cli.arguments import (
    MODEL_HELP,
    Commands,
    above_zero,
    add_command,
    add_engine,
    add_memory,
    add_trust,
    at_least,
    describe_export,
    find_model,
    open_predictor,
)
from fcn.errors import ConfigError
from fcn.runs.folder import is_exported, model_file
from fcn.server.cross_origin import check_origins, is_origin
from fcn.server.limits import Limits, check_limits
from fcn.system.backend import start_backend
from fcn.system.optional import missing_package
from fcn.system.text import print_lines

if TYPE_CHECKING:
    from fcn.inference.predictor import Predictor

_TOKEN = "FCN_SERVE_TOKEN"
_PACKAGES = ("fastapi", "orjson", "prometheus_client", "uvicorn")
_GRPC_PORT = "--grpc-port"
_MIB, _MEGAPIXEL = 2**20, 10**6
_USUAL = Limits()
_LONGEST_HOST_NAME = 253
"""Number of characters, from RFC 1035."""


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    serve = add_command(
        commands,
        "serve",
        run,
        "Serve a net over HTTP, with a page to try it on.",
        "python -m fcn serve exported/voc --port 8501",
    )
    count = at_least(1)
    serve.add_argument(
        "model",
        type=Path,
        metavar="MODEL",
        help=f"{MODEL_HELP}; new versions in an exported folder are loaded as they appear",
    )
    serve.add_argument("--name", type=_name, default="fcn", help="name of the model in URLs; default: fcn")
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
        "--max-connections",
        type=count,
        default=_USUAL.connections,
        metavar="N",
        help="most connections; a new one takes the place of an idle one, or is refused with 503; default: "
        f"{_USUAL.connections}",
    )
    serve.add_argument(
        "--queue",
        type=count,
        default=_USUAL.queue_images,
        metavar="N",
        help=f"most images that may wait; others are refused with 429; default: {_USUAL.queue_images}",
    )
    serve.add_argument(
        "--batch",
        type=count,
        default=_USUAL.batch_images,
        metavar="N",
        help=f"most images of one size to label at once; default: {_USUAL.batch_images}",
    )
    serve.add_argument(
        "--batch-wait",
        type=_milliseconds,
        default=_USUAL.batch_wait_seconds,
        metavar="MS",
        help="longest time that an image waits for others of its size, in milliseconds; default: "
        f"{1000 * _USUAL.batch_wait_seconds:g}",
    )
    serve.add_argument(
        "--max-mb",
        type=count,
        default=_USUAL.request_bytes // _MIB,
        metavar="N",
        help=f"largest request, in MB; default: {_USUAL.request_bytes // _MIB}",
    )
    serve.add_argument(
        "--max-megapixels",
        type=count,
        default=_USUAL.image_pixels // _MEGAPIXEL,
        metavar="N",
        help=f"largest image, in megapixels; default: {_USUAL.image_pixels // _MEGAPIXEL}",
    )
    serve.add_argument(
        "--timeout",
        type=count,
        default=round(_USUAL.answer_seconds),
        metavar="S",
        help=f"longest time until an image is answered, in seconds; default: {_USUAL.answer_seconds:g}",
    )
    serve.add_argument(
        "--drain",
        type=_drain_seconds,
        default=_USUAL.drain_seconds,
        metavar="S",
        help="seconds after SIGTERM in which new requests are still answered, while /v2/health/ready gives "
        f"503, for a load balancer; default: {_USUAL.drain_seconds:g}",
    )
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
    """Serves a net until the process is told to stop."""
    for package in _PACKAGES:
        if find_spec(package) is None:  # importing them takes a second; mistakes in arguments come first
            raise missing_package("serve", package, "serve")
    _check_grpc(options.grpc_port, options.port)
    limits, token = _limits(options), _token(options.token_file)
    check_origins(options.cors_origin, token is not None)
    if options.examples is not None and not options.examples.is_dir():
        raise ConfigError(f"--examples {options.examples}: expected a folder of images.")
    options.model = find_model(options.model, options.engine)
    if not is_exported(options.model):
        model_file(options.model)  # raises an error that explains what is wrong with the path
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

        start_backend(options.engine)
        start_logs()
        from fcn.inference.views import PLAIN
        from fcn.server.app import ServerSettings, create_app
        from fcn.server.observability.metrics import Metrics
        from fcn.server.request_body import BodyPool
        from fcn.server.service import Service

        def open_net(path: Path) -> "Predictor":
            engine, precision, memory = options.engine, options.precision, options.memory
            return open_predictor(path, engine, precision, PLAIN, memory, options.trust, DECODERS_BYTES)

        if notice := describe_export(options.model):
            logging.getLogger("fcn.server").warning(notice)
        service = Service(options.name, options.model, open_net, limits, Metrics(), decoders)
        try:
            hosts, origins = (options.host, *options.allowed_host), tuple(options.cors_origin)
            settings = ServerSettings(token, options.examples, hosts, origins)
            pool = BodyPool(limits.body_bytes)
            app = create_app(service, settings, pool)
            served = service.describe()
            what = {"name": options.name, "version": served.version, "engine": served.engine}
            grpc_server = None
            if grpc_listener is not None:
                from fcn.server.grpc.server import GrpcServer

                grpc_server = GrpcServer(service, token, pool, grpc_listener)
                what["grpc"] = grpc_server.address
            print_address = partial(_print_address, listener, what, token is not None, options.json)
            number = answer_requests(app, listener, limits, print_address, service.drain, grpc_server)
        finally:
            service.close()
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


def _limits(options: argparse.Namespace) -> Limits:
    size = options.max_mb * _MIB
    return check_limits(
        _USUAL._replace(
            connections=options.max_connections,
            queue_images=options.queue,
            batch_images=options.batch,
            batch_wait_seconds=options.batch_wait,
            request_bytes=size,
            body_bytes=max(size, _USUAL.body_bytes),
            image_pixels=options.max_megapixels * _MEGAPIXEL,
            answer_seconds=float(options.timeout),
            drain_seconds=options.drain,
            stop_seconds=max(float(options.timeout), _USUAL.stop_seconds),
        )
    )


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


def _print_address(
    listener: socket.socket, what: dict[str, object], has_token: bool, as_document: bool
) -> None:
    """Prints the address of the server."""
    from fcn.server.listening import url_of

    url, (host, port) = url_of(listener), listener.getsockname()[:2]
    if not has_token and not ip_address(host).is_loopback:
        logging.getLogger("fcn.server").warning(
            "other machines can send requests without a token; --token-file sets one", extra={"host": host}
        )
    if as_document:
        print_lines(json.dumps({"url": url, "host": host, "port": port, "pid": os.getpid(), **what}))
        sys.stdout.flush()
        return
    grpc = f", gRPC at {what['grpc']}" if "grpc" in what else ""
    token = " -H 'Authorization: Bearer TOKEN'" if has_token else ""
    print_lines(
        "Serving {name}, version {version}, with {engine}".format(**what)
        + f" at {url}{grpc} (Ctrl-C stops it).",
        f"Next: curl{token} --data-binary @IMAGE "
        f"'{url}v1/models/{what['name']}:segment?output=overlay' > overlay.jpg",
    )
    sys.stdout.flush()


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", text):
        raise argparse.ArgumentTypeError(f"expected letters, digits, _ . and -, received {text!r}")
    return text


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


def _drain_seconds(text: str) -> float:
    """Reads seconds; 0 is allowed."""
    return 0.0 if text == "0" else above_zero("seconds, such as 10, or 0")(text)


def _milliseconds(text: str) -> float:
    """Reads milliseconds, as seconds."""
    try:
        value = float(text) / 1000
    except ValueError:
        value = -1.0
    if not 0 <= value <= 60:
        raise argparse.ArgumentTypeError(f"expected milliseconds, 0 to 60000, received {text!r}")
    return value
