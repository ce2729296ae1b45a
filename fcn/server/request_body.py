"""Reading request bodies, plain or gzip, within limits of size, total memory and time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from fcn.server.gzip_body import GZIP, inflate
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.limits import Limits
from fcn.server.validation import shorten

TRUNCATED = "fcn.truncated"
"""Key that is set in the scope of a request if the client stopped sending in the middle of the body."""

_BODY = "fcn.body"
_PLAIN = "identity"
_RETRY_SECONDS = 1
# A connection that is closed with unread bytes is reset, and the client may not see the response. Of a
# refused body, twice `request_bytes` more is therefore read and dropped.
_DISCARDED_BODIES = 2
_LEAST_RATE = 128 * 1024
"""Bytes per second of a slow connection, 1 Mbit/s; 10 MB take longer than `read_seconds`."""


async def read_body(request: Request) -> bytes:
    """Returns the whole body of a request; unlike `Request.body`, keeps no copy of it.

    Raises:
        ServerError: If it is too large, too slow or truncated, all bodies together are too large, or its
            encoding is unknown or does not fit.
    """
    body: RequestBody = request.scope[_BODY]
    return await body.read()


class BodyPool:
    """Memory that the bodies of all requests share.

    Args:
        total: Size in bytes.
    """

    def __init__(self, total: int) -> None:
        self._total, self._reserved = total, 0

    @property
    def free(self) -> int:
        """Number of bytes that are not reserved."""
        return self._total - self._reserved

    def acquire(self, amount: int) -> None:
        """Reserves a number of bytes.

        Raises:
            ServerError: If too few are free.
        """
        if self._reserved + amount > self._total:
            raise ServerError(
                ErrorKind.BUSY,
                f"Other requests use {self._reserved} of {self._total} bytes. Try again later.",
                retry_after_seconds=_RETRY_SECONDS,
            )
        self._reserved += amount

    def release(self, amount: int) -> None:
        """Frees a number of bytes."""
        self._reserved -= amount


class RequestBody:
    """Body of one request, inflated if it is gzip; `read_body`, `Request.body` and `Request.stream` read it.

    Args:
        scope: ASGI scope of the request.
        receive: ASGI function that receives the body.
        limits: Limits of size and time.
        pool: Memory for the bodies of all requests.

    Attributes:
        complete: Whether all of it was received.
        has_two_lengths: Whether it has both a Content-Length and a Transfer-Encoding. The latter counts, but
            a proxy in front may think otherwise: nothing that follows on the connection can be trusted.
    """

    def __init__(self, scope: Scope, receive: Receive, limits: Limits, pool: BodyPool) -> None:
        headers = dict(scope["headers"])
        length, is_encoded = headers.get(b"content-length", b""), b"transfer-encoding" in headers
        self._announced = int(length) if length.isdigit() and not is_encoded else None
        self.has_two_lengths = is_encoded and bool(length)
        self._waits_for_continue = b"expect" in headers
        self.complete = not self._announced and not is_encoded
        self._scope, self._receive, self._limits, self._pool = scope, receive, limits, pool
        self._deadline = asyncio.get_running_loop().time() + limits.read_seconds
        self._received = self._reserved = 0
        self._was_read = asyncio.Event()
        self._parts = self._read_parts()
        scope[_BODY] = self

    async def read(self) -> bytes:
        """Returns the whole body.

        Raises:
            ServerError: As for `read_body`.
        """
        return b"".join([part async for part in self._parts])

    async def discard(self) -> None:
        """Reads and drops the rest, within limits: a client that still writes would not see the response."""
        if self._waits_for_continue:  # it has sent nothing, and will not once it sees the response
            return
        left = _DISCARDED_BODIES * self._limits.request_bytes
        with suppress(TimeoutError, ServerError):
            while not self.complete and left > 0:
                left -= len(await self._next())

    async def receive(self) -> Message:
        """Receives the next part of the body, as an ASGI message; after the last, waits as below.

        Raises:
            ServerError: As for `read_body`.
        """
        if self._was_read.is_set():
            return await self.wait_for_disconnect()
        part = await anext(self._parts, None)
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    async def wait_for_disconnect(self) -> Message:
        """Waits for the client to disconnect, after the body was read."""
        await self._was_read.wait()
        while (message := await self._receive())["type"] != "http.disconnect":
            pass
        return message

    def release(self) -> None:
        """Frees the memory of the body."""
        self._pool.release(self._reserved)
        self._reserved = 0

    async def _read_parts(self) -> AsyncIterator[bytes]:
        """Yields the parts of the body; their memory stays reserved.

        Raises:
            ServerError: As for `read_body`.
        """
        parts = self._receive_parts()
        if (encoding := self._encoding()) == GZIP:
            parts = inflate(parts)
        elif encoding != _PLAIN:
            raise ServerError(
                ErrorKind.UNSUPPORTED_MEDIA_TYPE,
                f"Expected a body without Content-Encoding, or with {GZIP}. Received: {shorten(encoding)}. "
                "Send it uncompressed; images are compressed already.",
            )
        async for part in parts:
            self._check_size(self._reserved + len(part))
            self._pool.acquire(len(part))
            self._reserved += len(part)
            yield part
        self._was_read.set()

    async def _receive_parts(self) -> AsyncIterator[bytes]:
        """Yields the parts of the body as the client sends them."""
        self._check_size(self._announced or 0)
        try:
            while not self.complete:
                part = await self._next()
                self._received += len(part)
                self._check_size(self._received)
                yield part
        except TimeoutError:
            raise ServerError(
                ErrorKind.SLOW_CLIENT,
                f"Expected the whole body within {self._limits.read_seconds:g} s plus one second for each "
                f"{_LEAST_RATE} bytes. Received: {self._received} bytes. Send a smaller image.",
            ) from None
        if TRUNCATED in self._scope:
            raise self._truncated()

    def _encoding(self) -> str:
        """Returns the Content-Encoding; several of them with commas between."""
        found = [value for name, value in self._scope["headers"] if name == b"content-encoding"]
        return b", ".join(found).decode("latin-1").lower() if found else _PLAIN

    async def _next(self) -> bytes:
        self._waits_for_continue = False
        async with asyncio.timeout_at(self._deadline):
            message = await self._receive()
        self.complete = not message.get("more_body", False)
        if message["type"] == "http.disconnect":
            raise self._truncated()
        part: bytes = message.get("body", b"")
        self._deadline += len(part) / _LEAST_RATE
        return part

    def _check_size(self, size: int) -> None:
        limit = self._limits.request_bytes
        if size > limit:
            received = f"{size}" if size == self._announced else "more"
            raise ServerError(
                ErrorKind.TOO_LARGE,
                f"Expected a body of at most {limit} bytes. Received: {received}. Send a smaller image.",
            )

    def _truncated(self) -> ServerError:
        expected = "a whole body" if self._announced is None else f"a body of {self._announced} bytes"
        return ServerError(
            ErrorKind.BAD_REQUEST,
            f"Expected {expected}. Received: {self._received} bytes, then nothing. Send it again.",
        )
