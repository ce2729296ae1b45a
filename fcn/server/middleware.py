"""Middleware of all requests: request id, body limits, host, other origins, token, log and metrics."""

import asyncio
import hmac
import logging
import time
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fcn.server.cross_origin import CrossOrigin
from fcn.server.error_response import internal_error, response_for
from fcn.server.hosts import is_known_host, known_hosts
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.limits import Limits
from fcn.server.observability.logs import REQUEST_ID, choose_request_id
from fcn.server.observability.metrics import Metrics
from fcn.server.request_body import BodyPool, RequestBody
from fcn.server.request_resources import request_resources
from fcn.server.validation import shorten

_LOG = logging.getLogger("fcn.server")
CLIENT_GONE = 499
"""Status, in logs and metrics, of a request that its client abandoned; the same as in nginx."""

_OPEN = ("/", "/healthz", "/openapi.json", "/v2/health/live", "/v2/health/ready")
"""Paths that need no token; so do files of the page. All others need it, also those that do not exist."""
_OPEN_FOLDER = "/page"


class RequestMiddleware:
    """ASGI middleware around an application.

    Args:
        app: Application to wrap.
        limits: Limits of request bodies.
        metrics: Metrics in which requests are counted.
        token: Token that clients must send; None for no token.
        allowed_hosts: Further names under which a server without a token answers.
        cors_origins: Origins whose pages may use the server, as for `CrossOrigin`.
        pool: Memory for the bodies of all requests.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        metrics: Metrics,
        token: str | None,
        allowed_hosts: Collection[str] = (),
        cors_origins: Collection[str] = (),
        *,
        pool: BodyPool,
    ) -> None:
        self._app, self._limits, self._metrics = app, limits, metrics
        self._token = None if token is None else token.encode()
        self._known_hosts = known_hosts(allowed_hosts)
        self._cross_origin = CrossOrigin(cors_origins)
        self._pool = pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one HTTP request; passes other ASGI events on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        headers = Headers(scope=scope)
        request_id = choose_request_id(headers.get("x-request-id", ""))
        REQUEST_ID.set(request_id)
        body = RequestBody(scope, receive, self._limits, self._pool)
        sender = _ResponseSender(
            body, send, {"X-Request-Id": request_id} | self._cross_origin.headers(headers.get("origin"))
        )
        try:
            if response := self._answer_early(scope, headers):
                await response(scope, receive, sender.send)
            else:
                async with AsyncExitStack() as resources:
                    request_resources.set(resources)
                    await self._run_app(scope, body, sender)
        finally:
            body.release()
            self._record(scope, sender.status or CLIENT_GONE, time.perf_counter() - start)

    async def _run_app(self, scope: Scope, body: RequestBody, sender: "_ResponseSender") -> None:
        """Runs the application; cancels it when the client disconnects, to free its places in the queue."""
        if scope["method"] == "HEAD":  # has the headers of GET; uvicorn leaves the body out
            scope = {**scope, "method": "GET"}
        response = asyncio.ensure_future(self._app(scope, body.receive, sender.send))
        disconnected = asyncio.ensure_future(body.wait_for_disconnect())
        try:
            await asyncio.wait((response, disconnected), return_when=asyncio.FIRST_COMPLETED)
            if not response.done() and not sender.complete:
                sender.status = 0
                return
            await response
        except Exception as error:  # a bug, or resources ran out; the next request may succeed
            _LOG.error("request failed", exc_info=error)
            if not sender.status:
                await internal_error()(scope, body.receive, sender.send)
        finally:
            for task in (response, disconnected):
                task.cancel()
            await asyncio.wait((response, disconnected))

    def _answer_early(self, scope: Scope, headers: Headers) -> Response | None:
        """Returns the response to a request that the application does not see; None if it sees it."""
        if error := self._check_host(headers.get("host")):
            return response_for(error)
        # Browsers send no token with a preflight.
        preflight = self._cross_origin.preflight_headers(scope["method"], headers)
        if preflight is not None:
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=preflight)
        if error := self._check_token(scope["path"], headers.get("authorization", "")):
            return response_for(error)
        return None

    def _check_host(self, host: str | None) -> ServerError | None:
        """Returns the error for a request for another server, if there is no token."""
        if self._token is not None or is_known_host(host, self._known_hosts):
            return None
        return ServerError(
            ErrorKind.UNKNOWN_HOST,
            "Expected an IP address, localhost or the name of the server's machine in the header Host. "
            f"Received: {shorten(host or '')}. To allow this name, start the server with --allowed-host.",
        )

    def _check_token(self, path: str, authorization: str) -> ServerError | None:
        """Returns the error for a request without the token, if there is one."""
        if self._token is None or not needs_token(path) or is_token(authorization, self._token):
            return None
        return ServerError(
            ErrorKind.UNAUTHORIZED,
            "Expected the header Authorization: Bearer TOKEN, with the server's token.",
        )

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


class _ResponseSender:
    """Sender of a response that reads the rest of the request body first, and adds headers.

    Attributes:
        status: HTTP status; 0 before the response starts.
        complete: Whether the whole response was sent.
    """

    def __init__(self, body: RequestBody, send: Send, headers: Mapping[str, str]) -> None:
        self._body, self._send, self._headers = body, send, headers
        self.status, self.complete = 0, False

    async def send(self, message: Message) -> None:
        """Sends a part of the response."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            await self._body.discard()
            self._body.release()  # a client that does not read its response must not block others
            headers = MutableHeaders(scope=message)
            headers.update(self._headers)
            if self._body.has_two_lengths or not self._body.complete:
                headers["Connection"] = "close"
        elif message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)
        await self._send(message)


def needs_token(path: str) -> bool:
    """Returns whether a path needs the token, if the server has one.

    Example:
        >>> needs_token("/v2/models/fcn"), needs_token("/v2/health/ready"), needs_token("/page/page.js")
        (True, False, False)
    """
    return path not in _OPEN and not path.startswith(f"{_OPEN_FOLDER}/")


def is_token(authorization: str, token: bytes) -> bool:
    """Returns whether a header `Authorization` holds the token.

    Example:
        >>> is_token("Bearer secret", b"secret"), is_token("Basic secret", b"secret")
        (True, False)
    """
    scheme, _, given = authorization.partition(" ")
    # A token is ASCII, so it does not matter how other bytes were decoded.
    same = hmac.compare_digest(given.strip().encode(), token)
    return same and scheme.lower() == "bearer"


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _protocol(path: str) -> str:
    """Returns the protocol under which a request is counted.

    Example:
        >>> [_protocol(path) for path in ("/", "/v2", "/v1/models/fcn:predict", "/v1/models/fcn:segment")]
        ['page', 'v2', 'tensorflow', 'segment']
    """
    if _is_below(path, "/v1"):
        return "segment" if path.endswith((":segment", ":classes")) else "tensorflow"
    if _is_below(path, "/v2"):
        return "v2"
    return "other" if path in ("/metrics", "/healthz", "/openapi.json") else "page"
