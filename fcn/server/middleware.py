"""What every request goes through, whatever it asks: name, body, token, log and counters."""

import asyncio
import hmac
import logging
import time
from contextlib import AsyncExitStack

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fcn.server.bodies import Body, BodyPool
from fcn.server.call import ErrorKind, ServerError
from fcn.server.error_response import response_to, unexpected
from fcn.server.limits import Limits
from fcn.server.observability.logs import REQUEST_ID, choose_request_id
from fcn.server.observability.metrics import Metrics
from fcn.server.request_resources import request_resources

_LOG = logging.getLogger("fcn.server")
CLIENT_GONE = 499
"""Status, in logs and counters, of a request whose client did not wait for the answer; nginx calls it so."""

_PROTECTED = ("/v1", "/v2", "/metrics", "/examples")
_OPEN = "/v2/health"


class RequestMiddleware:
    """Wraps an application.

    Args:
        app: What answers.
        limits: How large and how slow bodies may be.
        metrics: Where requests are counted.
        token: What a client must know; None if there is none.
    """

    def __init__(self, app: ASGIApp, limits: Limits, metrics: Metrics, token: str | None) -> None:
        self._app, self._limits, self._metrics = app, limits, metrics
        self._token = None if token is None else token.encode()
        self._pool = BodyPool(limits.body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or whatever else ASGI has."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        headers = Headers(scope=scope)
        request_id = choose_request_id(headers.get("x-request-id", ""))
        REQUEST_ID.set(request_id)
        body = Body(scope, receive, self._limits, self._pool)
        answer = _Answer(body, send, request_id)
        try:
            if self._may(scope["path"], headers.get("authorization", "")):
                async with AsyncExitStack() as held:
                    request_resources.set(held)
                    await self._answer(scope, body, answer)
            else:
                wrong = ServerError(
                    ErrorKind.UNAUTHORIZED,
                    "Expected the header Authorization: Bearer TOKEN, with the server's token.",
                )
                await response_to(wrong)(scope, receive, answer.send)
        finally:
            body.give_back()
            self._record(scope, answer.status or CLIENT_GONE, time.perf_counter() - begin)

    async def _answer(self, scope: Scope, body: Body, answer: "_Answer") -> None:
        """Lets the application answer, and stops it when the client is gone: its places are free then."""
        work = asyncio.ensure_future(self._app(scope, body.receive, answer.send))
        gone = asyncio.ensure_future(body.receive())
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and not answer.ended:
                answer.status = 0
                return
            await work
        except (
            Exception
        ) as error:  # a bug, or a machine at its end: the client hears of it, and the next may do well
            _LOG.error("request failed", exc_info=error)
            if not answer.status:
                await unexpected()(scope, body.receive, answer.send)
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.wait((work, gone))

    def _may(self, path: str, authorization: str) -> bool:
        """Returns whether a request may go on."""
        if self._token is None or not needs_token(path):
            return True
        scheme, _, given = authorization.partition(" ")
        # What a header holds are bytes, which Starlette reads as Latin-1.
        same = hmac.compare_digest(given.strip().encode("latin-1"), self._token)
        return same and scheme.lower() == "bearer"

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        protocol = _protocol(scope["path"])
        self._metrics.requests.labels(protocol, str(status)).inc()
        self._metrics.request_seconds.labels(protocol).observe(seconds)
        client = scope.get("client")
        _LOG.info(
            "request",
            extra={
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "milliseconds": round(1000 * seconds, 2),
                "client": client and client[0],
            },
        )


class _Answer:
    """Sends an answer, once the body of the request was read to its end.

    Attributes:
        status: HTTP status; 0 before there is one.
        ended: Whether all of it was sent.
    """

    def __init__(self, body: Body, send: Send, request_id: str) -> None:
        self._body, self._send, self._request_id = body, send, request_id
        self.status, self.ended = 0, False

    async def send(self, message: Message) -> None:
        """Sends a part of it."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            await self._body.discard()
            self._body.give_back()  # who does not read the answer does not keep others from asking
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._request_id
            if not self._body.ended:
                headers["Connection"] = "close"
        elif message["type"] == "http.response.body":
            self.ended = not message.get("more_body", False)
        await self._send(message)


def needs_token(path: str) -> bool:
    """Returns whether a token must be known, if there is one.

    Example:
        >>> needs_token("/v2/models/fcn"), needs_token("/v2/health/ready"), needs_token("/v22")
        (True, False, False)
    """
    return _below(path, *_PROTECTED) and not _below(path, _OPEN)


def _below(path: str, *folders: str) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _protocol(path: str) -> str:
    """Returns what a request is counted as.

    Example:
        >>> [_protocol(path) for path in ("/", "/v2", "/v1/models/fcn:predict", "/v1/models/fcn:segment")]
        ['page', 'v2', 'tensorflow', 'segment']
    """
    if _below(path, "/v1"):
        return "segment" if path.endswith((":segment", ":classes")) else "tensorflow"
    if _below(path, "/v2"):
        return "v2"
    return "other" if path in ("/metrics", "/healthz", "/openapi.json") else "page"
