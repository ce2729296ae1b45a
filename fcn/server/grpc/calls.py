"""Calls of gRPC, each within the limits of a request: token, memory, time, log and metrics."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import grpc
from grpc import StatusCode, aio

from fcn.server.grpc.messages import read_message
from fcn.server.grpc.method import Method, Methods
from fcn.server.grpc.status import CODES, Metadata, retry_metadata, shown_text
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.limits import Limits
from fcn.server.middleware import is_token
from fcn.server.observability.logs import REQUEST_ID, choose_request_id
from fcn.server.observability.metrics import Metrics
from fcn.server.request_body import BodyPool
from fcn.server.request_resources import request_resources
from fcn.server.serial_executor import SerialExecutor
from fcn.server.weighted_semaphore import WeightedSemaphore

_LOG = logging.getLogger("fcn.server")
_RETRY_SECONDS = 1
_REQUEST_ID = "x-request-id"

_READING_SHARE = 2
"""Messages that are being received may fill one part in so many of the memory for bodies. The size of one is
not known before it has come, so each counts as the largest."""

_OPEN_PLACES = 2
"""Number of messages of open methods that are received at once. Others are answered as if they were empty."""

_CALLS_PER_PLACE = 2
"""For each place in the queue so many calls, some of which receive or send."""

_SMALL = 4096
"""Bytes of a message that is read at once, without a thread."""


class Calls(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Handler of all calls.

    A message is received only when the call has a token and a place: gRPC itself would receive one for each
    call, whatever memory they need together. Therefore each method is registered as one of streams, which
    looks the same on the wire.

    Args:
        methods: Methods that are offered.
        executor: Reads large messages.
        limits: Limits of requests.
        metrics: Metrics in which calls are counted.
        pool: Memory for the bodies of all requests, those over HTTP included.
        token: Token that clients must send; None for no token.
    """

    def __init__(
        self,
        methods: Methods,
        executor: SerialExecutor,
        limits: Limits,
        metrics: Metrics,
        pool: BodyPool,
        token: str | None,
    ) -> None:
        self._methods, self._executor, self._limits = methods, executor, limits
        self._metrics, self._pool = metrics, pool
        self._token = None if token is None else token.encode()
        places = max(1, limits.body_bytes // _READING_SHARE // limits.request_bytes)
        self._places = WeightedSemaphore(places)
        self._open_places = _OPEN_PLACES
        self._calls = 0

    def service(self, handler_call_details: Any) -> Any:
        """Returns the handler of a call; None for an unknown method."""
        path = handler_call_details.method
        if path not in self._methods:
            return None
        return grpc.stream_stream_rpc_method_handler(partial(self._handle, path, self._methods[path]))

    async def _handle(self, path: str, method: Method, _: object, context: Any) -> None:
        """Answers a call, and records it. If its client leaves, or its deadline passes, gRPC cancels it."""
        start = time.perf_counter()
        metadata = dict(context.invocation_metadata() or ())
        request_id = choose_request_id(str(metadata.get(_REQUEST_ID, "")))
        REQUEST_ID.set(request_id)
        status, text = StatusCode.CANCELLED, ""
        trailing: Metadata = ((_REQUEST_ID, request_id),)
        try:
            async with AsyncExitStack() as resources:
                request_resources.set(resources)
                self._check_token(method, str(metadata.get("authorization", "")))
                with self._counted(method):
                    answer = await self._answer(method, context)
                    await context.send_initial_metadata(trailing)
                    await context.write(answer)
            status = StatusCode.OK
        except ServerError as error:
            status, text = CODES[error.kind], shown_text(error)
            trailing += retry_metadata(error)
        except Exception as error:  # a bug, or resources ran out; the next call may succeed
            _LOG.error("request failed", exc_info=error)
            status = StatusCode.INTERNAL
            text = (
                "Internal error. Its traceback is in the log of the server, under the "
                f"{_REQUEST_ID} of this answer."
            )
        finally:
            self._record(path, method, status, time.perf_counter() - start, context)
        if status is not StatusCode.OK:
            await context.abort(status, text, trailing)

    def _check_token(self, method: Method, authorization: str) -> None:
        if self._token is not None and not method.is_open and not is_token(authorization, self._token):
            raise ServerError(
                ErrorKind.UNAUTHORIZED,
                "Expected the metadata authorization: Bearer TOKEN, with the server's token.",
            )

    @contextmanager
    def _counted(self, method: Method) -> Iterator[None]:
        """Counts a call until its answer is sent.

        Raises:
            ServerError: If there are too many.
        """
        most = _CALLS_PER_PLACE * self._limits.queue_images
        if method.is_open:
            yield
            return
        if self._calls >= most:
            raise _busy(f"There are {most} calls. Try again later.")
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1

    async def _answer(self, method: Method, context: Any) -> bytes:
        with ExitStack() as reserved:
            data = await self._receive(method, context, reserved)
            if len(data) > _SMALL:
                request = await self._executor.run(read_message, method.request, data)
            else:
                request = read_message(method.request, data)
            del data  # frees its memory while the image waits
            return await method.answer(request)

    async def _receive(self, method: Method, context: Any, reserved: ExitStack) -> bytes:
        """Receives the message of a call. Its memory stays reserved until the stack is closed.

        Raises:
            ServerError: If there is no memory, or no message, or it comes too slowly.
        """
        limit, seconds = self._limits.request_bytes, self._limits.read_seconds
        async with self._place(method) as has_place:
            if not has_place:
                return b""
            with ExitStack() as receiving:
                self._pool.acquire(limit)
                receiving.callback(self._pool.release, limit)
                try:
                    async with asyncio.timeout(seconds):
                        message = await context.read()
                except TimeoutError:
                    raise ServerError(
                        ErrorKind.SLOW_CLIENT,
                        f"Expected the whole message within {seconds:g} s. Send a smaller one.",
                    ) from None
            if message is aio.EOF:
                raise ServerError(ErrorKind.BAD_REQUEST, "Expected a message. Received: none.")
            self._pool.acquire(len(message))
            reserved.callback(self._pool.release, len(message))
            data: bytes = message
            return data

    @asynccontextmanager
    async def _place(self, method: Method) -> AsyncIterator[bool]:
        """Waits for a place to receive a message; yields whether there is one."""
        if method.is_open:
            has_place = self._open_places > 0 and self._pool.free >= self._limits.request_bytes
            self._open_places -= has_place
            try:
                yield has_place
            finally:
                self._open_places += has_place
            return
        async with AsyncExitStack() as place:
            try:
                async with asyncio.timeout(self._limits.read_seconds):
                    await place.enter_async_context(self._places.acquire(1))
            except TimeoutError:
                raise _busy("Other clients are sending slowly. Try again later.") from None
            yield True

    def _record(self, path: str, method: Method, status: StatusCode, seconds: float, context: Any) -> None:
        self._metrics.requests.labels(method.protocol, status.name).inc()
        self._metrics.request_seconds.labels(method.protocol).observe(seconds)
        _LOG.info(
            "request",
            extra={
                "method": "gRPC",
                "path": path,
                "status": status.name,
                "milliseconds": round(1000 * seconds, 2),
                "client": context.peer(),
            },
        )


def _busy(text: str) -> ServerError:
    return ServerError(ErrorKind.BUSY, text, _RETRY_SECONDS)
