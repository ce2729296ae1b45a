"""Models of `fcn serve`: read from the command line, found, and printed."""

import argparse
import json
import logging
import os
import re
import socket
import sys
from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from fcn.cli.arguments import find_model
from fcn.errors import ConfigError
from fcn.system.text import print_lines

if TYPE_CHECKING:
    from fcn.server.service import Service


def read_named_model(text: str) -> tuple[str | None, Path]:
    """Reads NAME=MODEL, or a model alone. A path that exists is a model, whatever signs it has."""
    name, sign, model = text.partition("=")
    if not sign or os.path.lexists(text):
        return None, Path(text)
    if not model:
        raise argparse.ArgumentTypeError(f"expected NAME=MODEL, received {text!r}")
    return read_name(name), Path(model)


def read_name(text: str) -> str:
    """Reads the name of a model in URLs."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", text):
        raise argparse.ArgumentTypeError(f"expected letters, digits, _ . and -, received {text!r}")
    return text


def find_models(given: Sequence[tuple[str | None, Path]], default_name: str, engine: str) -> dict[str, Path]:
    """Returns the paths of models by name.

    Args:
        given: What the user gave for each.
        default_name: Name of the one that is given without a name.
        engine: Name of the engine, whose backend starts if a published net is imported.

    Raises:
        ConfigError: If two have the same name.
        FcnError: If there is no such model.
    """
    names = [name or default_name for name, _ in given]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigError(
            f"Expected models with different names. Received: {', '.join(twice)} more than once. Name each: "
            "NAME=MODEL."
        )
    return {name: find_model(model, engine) for name, (_, model) in zip(names, given, strict=True)}


def print_address(
    listener: socket.socket,
    services: "Sequence[Service]",
    has_token: bool,
    as_document: bool,
    grpc: str | None = None,
) -> None:
    """Prints the address of a server with its models.

    Args:
        listener: Socket of the server.
        services: Services of the models.
        has_token: Whether clients must send a token.
        as_document: Whether to print a line of JSON.
        grpc: Address for gRPC; None without it.
    """
    from fcn.server.listening import url_of

    url, (host, port) = url_of(listener), listener.getsockname()[:2]
    if not has_token and not ip_address(host).is_loopback:
        logging.getLogger("fcn.server").warning(
            "other machines can send requests without a token; --token-file sets one", extra={"host": host}
        )
    models = []
    for service in services:
        served = service.describe()
        models.append({"name": service.name, "version": served.version, "engine": served.engine})
    if as_document:
        address = {"url": url, "host": host, "port": port, "pid": os.getpid()}
        address |= {} if grpc is None else {"grpc": grpc}
        print_lines(json.dumps({**address, **models[0], "models": models}))
        sys.stdout.flush()
        return
    what = "; ".join(
        f"{model['name']}, version {model['version']}, with {model['engine']}" for model in models
    )
    token = " -H 'Authorization: Bearer TOKEN'" if has_token else ""
    print_lines(
        f"Serving {what} at {url}{'' if grpc is None else f', gRPC at {grpc}'} (Ctrl-C stops it).",
        f"Next: curl{token} --data-binary @IMAGE "
        f"'{url}v1/models/{services[0].name}:segment?output=overlay' > overlay.jpg",
    )
    sys.stdout.flush()
