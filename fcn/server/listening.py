"""Serving requests at an address until a signal arrives."""

import asyncio
import contextlib
import logging
import math
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Protocol, cast

import uvicorn
from starlette.types import ASGIApp

from fcn.errors import AddressError
from fcn.server.connection import Connection, close_longest_waiting, connection_class
from fcn.server.descriptors import NONE_LEFT, reserve_descriptors
from fcn.server.limits import Limits
from fcn.server.observability.logs import StateWarning

_LOG = logging.getLogger("fcn.server")

_BACKLOG = 2048
# After so many, those beyond the limit are closed before more are accepted. There is a reserve of descriptors
# for them.
_ACCEPTED_AT_ONCE = 4
# The other server gets one connection for so many of this one: each is for many requests at once.
_OTHER_SHARE = 4
# Longer than clients and proxies usually keep an idle connection: if the client closes it first, no request
# is lost on the way.
_KEEP_ALIVE_SECONDS = 75


class OtherServer(Protocol):
    """Server that answers in the event loop of the one for HTTP, as that for gRPC does."""

    async def start(self, connections: int) -> None:
        """Accepts at most so many connections from now on.

        Raises:
            AddressError: If another server took the address meanwhile.
        """

    async def stop(self, seconds: float) -> None:
        """Answers accepted requests within a time, and stops."""


def open_socket(host: str, port: int, option: str = "--port") -> socket.socket:
    """Binds a socket to an address; connections are accepted later.

    Args:
        host: A name or address of this machine.
        port: 0 for any free port.
        option: Name of the option for the port, in errors.

    Raises:
        AddressError: If the host is not an address of this machine, or the port is in use or not permitted.
    """
    where = f"--host {host} {option} {port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AddressError(
            f"{where}: no such host ({reason}). Expected a name or address of this machine, such as "
            "127.0.0.1, or 0.0.0.0 for all of its addresses."
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        # Without it, a stopped server could not be restarted for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _in_use(where, error) from error
    return listener


def _in_use(where: str, error: OSError) -> AddressError:
    return AddressError(
        f"{where}: cannot be used ({error.strerror}). Choose another port (0 for any free port), or "
        "stop the program that uses it."
    )


def url_of(listener: socket.socket) -> str:
    """Returns the URL of a server."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def answer_requests(
    app: ASGIApp,
    listener: socket.socket,
    limits: Limits,
    when_ready: Callable[[], None],
    when_stopping: Callable[[], None] = lambda: None,
    other: OtherServer | None = None,
) -> int | None:
    """Serves requests until SIGINT or SIGTERM, then finishes accepted ones; a second signal ends the process.

    After SIGTERM, new requests are answered for `drain_seconds` too.

    Args:
        app: Application to serve.
        listener: Socket from `open_socket`.
        limits: Limits of time and number for clients, and of time for stopping.
        when_ready: Called once connections are accepted.
        when_stopping: Called when the signal has come.
        other: Server to run beside this one. It gets a share of the connections.

    Returns:
        The number of the signal.

    Raises:
        AddressError: If another server took the address meanwhile.
    """
    others = 0 if other is None else max(1, limits.connections // _OTHER_SHARE)
    wanted = limits.connections + others
    connections = reserve_descriptors(wanted)
    if connections < wanted:
        _LOG.warning(
            "the limit of open files of this system permits fewer connections than --max-connections",
            extra={"connections": connections},
        )
    others = max(min(1, others), connections * others // wanted)
    config = configure(app, limits._replace(connections=max(1, connections - others)))
    server = _Server(config, when_ready, when_stopping, limits, other, others)
    host, port = listener.getsockname()[:2]
    try:
        # Two sockets can be bound to one address as long as neither listens.
        listener.listen(_BACKLOG)
    except OSError as error:
        raise _in_use(f"--host {host} --port {port}", error) from error
    server.run(sockets=[listener])
    return server.stopped_by


def configure(app: ASGIApp, limits: Limits) -> uvicorn.Config:
    """Returns the configuration of uvicorn.

    Args:
        app: Application to serve.
        limits: Limits of time and number for clients, and of time for stopping.
    """
    return uvicorn.Config(
        app,
        http=connection_class(limits.read_seconds, limits.connections),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # RequestMiddleware logs more
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(limits.stop_seconds),
    )


class _Server(uvicorn.Server):
    """Server that calls a function once it is ready, and records the signal that stopped it."""

    def __init__(
        self,
        config: uvicorn.Config,
        when_ready: Callable[[], None],
        when_stopping: Callable[[], None],
        limits: Limits,
        other: OtherServer | None,
        others: int,
    ) -> None:
        super().__init__(config)
        self._when_ready, self._when_stopping, self._limits = when_ready, when_stopping, limits
        self._other, self._others = other, others
        self._no_descriptors = StateWarning("the system has no descriptors left for connections")
        self.stopped_by: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._handle_exception)
        self.config.backlog = _ACCEPTED_AT_ONCE  # asyncio uses one number for both
        await super().startup(sockets)
        for listener in sockets or []:
            listener.listen(_BACKLOG)
        if self._other is not None:
            await self._other.start(self._others)
        self._when_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        stopping = [super().shutdown(sockets)]
        if self._other is not None:
            stopping.append(self._other.stop(self._limits.stop_seconds))
        await asyncio.gather(*stopping)

    def _handle_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Makes room if a connection cannot be accepted, where asyncio would only log thousands of lines."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in NONE_LEFT and "socket" in context:
            self._no_descriptors.log(error=error.strerror)
            close_longest_waiting(cast(set[Connection], self.server_state.connections))
        else:
            loop.default_exception_handler(context)

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
        if self.stopped_by is not None:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        self.stopped_by = sig
        self._when_stopping()
        drain_seconds = self._limits.drain_seconds
        if sig == signal.SIGTERM and drain_seconds and self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.call_later, drain_seconds, self._end)
        else:
            self._end()

    def _end(self) -> None:
        self.should_exit = True
