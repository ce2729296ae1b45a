"""What is sent in place of an answer."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from fcn.server.interface import ErrorKind, ServerError
from fcn.server.openapi import JSON


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Returns an error in the format of TensorFlow Serving, which is that of the Open Inference Protocol.

    Args:
        status: HTTP status.
        message: What was expected, what came, and what to do.
        headers: More headers.

    Example:
        >>> error_response(404, "There is no such thing.").body
        b'{"error": "There is no such thing."}'
    """
    # In ASCII: a message may quote what cannot be encoded as UTF-8.
    return Response(json.dumps({"error": message}), status, dict(headers or {}), JSON)


def response_for(error: ServerError) -> Response:
    """Returns what to send for an error of the service."""
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.kind is ErrorKind.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return error_response(error.kind.value, error.message, headers)


def internal_error() -> Response:
    """Returns what to send where the server is at fault; what went wrong stands in its log."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return error_response(
        status, "The server failed; its log says why, under the X-Request-Id of this answer."
    )
