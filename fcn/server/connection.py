"""One connection of a client: what uvicorn leaves open where clients are slow or stop in the middle."""

import asyncio
import json
from contextlib import suppress
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from fcn.server.request_body import TRUNCATED

# A client that only sends all and then closes its side of the connection does both at once. One that closes
# it later has given up: nothing on the wire tells the two apart.
_HALF_CLOSE_SECONDS = 1.0


class Connection(H11Protocol):
    """A connection whose client sends in time and reads, and whose errors have the format of all others.

    Attributes:
        read_seconds: How long a client may take for what stands before the body, and how long it may read
            nothing of an answer.
    """

    read_seconds: float

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for a request."""
        super().connection_made(transport)
        self._last_received = 0.0
        self._request_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._start_request_timer()

    def data_received(self, data: bytes) -> None:
        """Takes a part of a request."""
        self._last_received = self.loop.time()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._cancel_request_timer()
        elif self._request_timer is None:
            self._start_request_timer()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Says whether a client that has stopped sending may still get an answer."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or self.transport.is_closing():
            return False
        # That no other request will come closes the connection after the answer.
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
        """Forgets the client."""
        self._cancel_request_timer()
        self._cancel_write_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begins to watch whether the client reads its answer."""
        super().pause_writing()
        self._start_write_timer()

    def resume_writing(self) -> None:
        """Stops watching."""
        super().resume_writing()
        self._cancel_write_timer()

    def send_400_response(self, msg: str) -> None:
        """Refuses what is no HTTP."""
        self._send_error(400, msg)

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
        # Closing would wait for the client for ever, and keep the answer in memory.
        if self.transport.get_write_buffer_size() >= size_before:
            self.transport.abort()
        else:
            self._start_write_timer()

    def _time_out(self) -> None:
        self._send_error(408, f"Expected a request within {self.read_seconds:g} s.")

    def _send_error(self, status: int, message: str) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps({"error": message}).encode()
            headers = [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
            ]
            for event in (
                h11.Response(status_code=status, headers=headers),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def connection_class(read_seconds: float) -> type[Connection]:
    """Returns what connections are made from.

    Args:
        read_seconds: As for `Connection`.
    """
    return type("Connection", (Connection,), {"read_seconds": read_seconds})
