"""Client connections: timeouts for slow clients, half-closed ones, a maximum number, and JSON errors."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from operator import itemgetter
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from fcn.server.observability.logs import StateWarning
from fcn.server.request_body import TRUNCATED

# A client that half-closes its connection after sending does so at once. One that closes it later has given
# up. Nothing on the wire tells the two apart.
_HALF_CLOSE_SECONDS = 1.0
_RETRY_SECONDS = 1


class Connection(H11Protocol):
    """Connection with timeouts for reading and writing, and with errors in the JSON format of the protocols.

    Attributes:
        read_seconds: Time in which a client must send the head of a request, and must read some of a
            response.
        max_connections: Maximum number of connections. Beyond it, the one that has waited longest for a
            request is closed; if all have a request in progress, the new one is rejected.
        full: Warning of this state.
    """

    read_seconds: float
    max_connections: int
    full: StateWarning

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the timer for the first request."""
        super().connection_made(transport)
        self._last_received = 0.0
        self._waiting_since = self.loop.time()
        self._request_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._start_request_timer()
        if len(self.connections) > self.max_connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Parses a part of a request."""
        self._last_received = self.loop.time()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._cancel_request_timer()
        elif self._request_timer is None:
            self._start_request_timer()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Returns whether a client that has stopped sending may still get a response."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or self.transport.is_closing():
            return False
        # h11 then closes the connection after the response, since no other request will come.
        self.conn.receive_data(b"")
        with suppress(h11.RemoteProtocolError):
            self.conn.next_event()
        if cycle.more_body:
            cast(dict[str, Any], cycle.scope)[TRUNCATED] = True
            cycle.more_body = False
            cycle.message_event.set()
            return True
        return self.loop.time() - self._last_received < _HALF_CLOSE_SECONDS

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancels the timers."""
        self._cancel_request_timer()
        self._cancel_write_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Starts the timer for a client that does not read its response."""
        super().pause_writing()
        self._start_write_timer()

    def resume_writing(self) -> None:
        """Cancels that timer."""
        super().resume_writing()
        self._cancel_write_timer()

    def on_response_complete(self) -> None:
        """Waits for the next request."""
        self._waiting_since = self.loop.time()
        super().on_response_complete()

    @property
    def waiting_since(self) -> float | None:
        """Time since which it waits for a request, on the clock of the loop; None if it does not."""
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            return None
        is_waiting = self.cycle is None or self.cycle.response_complete
        return self._waiting_since if is_waiting else None

    def close_waiting(self) -> None:
        """Closes it while it waits for a request; tells why if a part of one was received."""
        if self.conn.trailing_data[0]:
            self._send_full()
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Rejects data that is not HTTP."""
        self._send_error(400, msg)

    def _make_room(self) -> None:
        # Connections that are being closed do not count.
        if sum(not one.transport.is_closing() for one in self.connections) <= self.max_connections:
            return
        self.full.log(connections=self.max_connections)
        others = cast(set[Connection], self.connections) - {self}
        if not close_longest_waiting(others):
            self._send_full()

    def _send_full(self) -> None:
        self._send_error(
            503,
            f"The server has {self.max_connections} connections, as many as it may. Try again later.",
            {"Retry-After": str(_RETRY_SECONDS)},
        )

    def _start_request_timer(self) -> None:
        self._request_timer = self.loop.call_later(self.read_seconds, self._time_out)

    def _cancel_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _start_write_timer(self) -> None:
        size = self.transport.get_write_buffer_size()
        self._write_timer = self.loop.call_later(self.read_seconds, self._check_reader, size)

    def _cancel_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _check_reader(self, size_before: int) -> None:
        # close() would wait for the client forever and keep the response in memory.
        if self.transport.get_write_buffer_size() >= size_before:
            self.transport.abort()
        else:
            self._start_write_timer()

    def _time_out(self) -> None:
        self._send_error(408, f"Expected a request within {self.read_seconds:g} s.")

    def _send_error(self, status: int, message: str, more: Mapping[str, str] | None = None) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps({"error": message}).encode()
            headers = [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
                *(more or {}).items(),
            ]
            for event in (
                h11.Response(status_code=status, headers=headers),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def close_longest_waiting(connections: Iterable[Connection]) -> bool:
    """Closes the connection that has waited longest for a request; returns whether there was one."""
    waiting = [(since, one) for one in connections if (since := one.waiting_since) is not None]
    if not waiting:
        return False
    min(waiting, key=itemgetter(0))[1].close_waiting()
    return True


def connection_class(read_seconds: float, max_connections: int) -> type[Connection]:
    """Returns a class of connections for uvicorn.

    Args:
        read_seconds: As for `Connection`.
        max_connections: As for `Connection`.
    """
    full = StateWarning("all connections are in use; idle ones are closed for new ones")
    members = {"read_seconds": read_seconds, "max_connections": max_connections, "full": full}
    return type("Connection", (Connection,), members)
