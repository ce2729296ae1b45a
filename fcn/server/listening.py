"""Answering at an address until a signal says stop."""

import contextlib
import math
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from fcn.errors import AddressError
from fcn.server.connection import connection_class
from fcn.server.limits import Limits

_BACKLOG = 2048
# Longer than clients and proxies usually keep a connection they do not use: who closes it first never finds a
# request on its way.
_KEEP_ALIVE_SECONDS = 75


def open_socket(host: str, port: int) -> socket.socket:
    """Takes an address for this process; connections are accepted later.

    Args:
        host: A name or address of this machine.
        port: 0 for any that is free.

    Raises:
        AddressError: If there is no such host here, or the port is in use or may not be used.
    """
    where = f"--host {host} --port {port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AddressError(
            f"{where}: no such host ({reason}). Expected a name or address of this machine, such as "
            "127.0.0.1, or 0.0.0.0 for all that it has."
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        # Or a server that was stopped could not be started again for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _in_use(where, error) from error
    return listener


def _in_use(where: str, error: OSError) -> AddressError:
    return AddressError(
        f"{where}: cannot be used ({error.strerror}). Choose another port, 0 for any that is free, or "
        "end what uses it."
    )


def url_of(listener: socket.socket) -> str:
    """Returns where a server is, as one writes it into a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def answer_requests(
    app: ASGIApp, listener: socket.socket, limits: Limits, when_ready: Callable[[], None]
) -> int | None:
    """Answers requests until SIGINT or SIGTERM comes, then what was accepted; a second one ends the process.

    Args:
        app: What answers.
        listener: Where, of `open_socket`.
        limits: How long clients may take, and what was accepted.
        when_ready: Called once connections are accepted.

    Returns:
        The number of the signal.

    Raises:
        AddressError: If another server was quicker.
    """
    server = _Server(configure(app, limits), when_ready)
    host, port = listener.getsockname()[:2]
    try:
        # Two can take one address as long as neither listens.
        listener.listen(_BACKLOG)
    except OSError as error:
        raise _in_use(f"--host {host} --port {port}", error) from error
    server.run(sockets=[listener])
    return server.stopped_by


def configure(app: ASGIApp, limits: Limits) -> uvicorn.Config:
    """Returns how uvicorn is to run.

    Args:
        app: What answers.
        limits: How long clients may take, and what was accepted.
    """
    return uvicorn.Config(
        app,
        http=connection_class(limits.read_seconds),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # `exchange` has one that says more
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(limits.stop_seconds),
    )


class _Server(uvicorn.Server):
    """A server that says when it answers, and what stopped it."""

    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_ready = when_ready
        self.stopped_by: int | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.should_exit:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        self.stopped_by = sig
        self.should_exit = True
