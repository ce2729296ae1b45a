"""Reading the bodies of requests: how large they may be, one and all together, and how long they may take."""

import asyncio
from contextlib import suppress

from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from fcn.server.interface import ErrorKind, ServerError
from fcn.server.limits import Limits

TRUNCATED = "fcn.truncated"
"""Key of a scope that is there where the client stopped sending in the middle of the body."""

_BODY = "fcn.body"
_RETRY_SECONDS = 1
_LEAST_RATE = 128 * 1024
"""Bytes in a second on a poor line, 1 Mbit/s: 10 MB take longer than a client has that sends nothing."""


async def read_body(request: Request) -> bytes:
    """Returns the whole body of a request.

    Raises:
        ServerError: If it is too large, too slow or cut off, or the bodies of all requests are too much.
    """
    body: RequestBody = request.scope[_BODY]
    return await body.read()


class BodyPool:
    """How many bytes the bodies of all requests have together.

    Args:
        total: How many they may have.
    """

    def __init__(self, total: int) -> None:
        self._total, self._reserved = total, 0

    def acquire(self, amount: int) -> None:
        """Takes room for so many bytes.

        Raises:
            ServerError: If there is none.
        """
        if self._reserved + amount > self._total:
            raise ServerError(
                ErrorKind.BUSY,
                f"Other requests hold {self._reserved} of {self._total} bytes. Try again later.",
                retry_after_seconds=_RETRY_SECONDS,
            )
        self._reserved += amount

    def release(self, amount: int) -> None:
        """Gives room back."""
        self._reserved -= amount


class RequestBody:
    """The body of one request, which whoever answers finds with `read_body`.

    Args:
        scope: What is known of the request.
        receive: Where the body comes from.
        limits: How large and how slow it may be.
        pool: The room for the bodies of all requests.

    Attributes:
        complete: Whether nothing of it is to come any more.
    """

    def __init__(self, scope: Scope, receive: Receive, limits: Limits, pool: BodyPool) -> None:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        self._announced = int(length) if length.isdigit() else None
        self._waits_for_continue = b"expect" in headers
        self.complete = self._announced in (None, 0) and b"transfer-encoding" not in headers
        self._scope, self._receive, self._limits, self._pool = scope, receive, limits, pool
        self._deadline = asyncio.get_running_loop().time() + limits.read_seconds
        self._reserved = 0
        self._was_read = asyncio.Event()
        scope[_BODY] = self

    async def read(self) -> bytes:
        """Returns all of it.

        Raises:
            ServerError: As `read_body` says.
        """
        self._check_size(self._announced or 0)
        parts = []
        try:
            while not self.complete:
                part = await self._next()
                self._check_size(self._reserved + len(part))
                self._pool.acquire(len(part))
                self._reserved += len(part)
                parts.append(part)
        except TimeoutError:
            raise ServerError(
                ErrorKind.SLOW_CLIENT,
                f"Expected the whole body within {self._limits.read_seconds:g} s and a second more for each "
                f"{_LEAST_RATE} bytes. Received: {self._reserved} bytes. Send a smaller image.",
            ) from None
        if TRUNCATED in self._scope:
            raise self._truncated()
        self._was_read.set()
        return b"".join(parts)

    async def discard(self) -> None:
        """Reads on and forgets it, within limits: a client that is still writing would not see the answer."""
        if self._waits_for_continue:  # it has sent nothing, and will not when it sees the answer
            return
        left = self._limits.request_bytes
        with suppress(TimeoutError, ServerError):
            while not self.complete and left > 0:
                left -= len(await self._next())

    async def receive(self) -> Message:
        """Waits until the client is gone, once the body was read; others do not read it."""
        await self._was_read.wait()
        while (message := await self._receive())["type"] != "http.disconnect":
            pass
        return message

    def release(self) -> None:
        """Gives back the room it takes."""
        self._pool.release(self._reserved)
        self._reserved = 0

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
            received = f"{size}" if self._announced is not None else "more"
            raise ServerError(
                ErrorKind.TOO_LARGE,
                f"Expected a body of at most {limit} bytes. Received: {received}. Send a smaller image.",
            )

    def _truncated(self) -> ServerError:
        expected = "a whole body" if self._announced is None else f"a body of {self._announced} bytes"
        return ServerError(
            ErrorKind.BAD_REQUEST,
            f"Expected {expected}. Received: {self._reserved} bytes, then nothing. Send it again.",
        )
