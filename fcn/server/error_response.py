"""HTTP responses for errors."""

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
        message: Text that says what was expected, what was received, and what to do.
        headers: Additional headers.

    Example:
        >>> error_response(404, "Not found.").body
        b'{"error": "Not found."}'
    """
    # In ASCII: a message may quote text that cannot be encoded as UTF-8.
    return Response(json.dumps({"error": message}), status, dict(headers or {}), JSON)


def response_for(error: ServerError) -> Response:
    """Returns the response for an error of the service."""
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.kind is ErrorKind.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return error_response(error.kind.value, error.message, headers)


def internal_error() -> Response:
    """Returns the response for a bug; its traceback is in the log."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return error_response(
        status,
        "Internal error. Its traceback is in the log of the server, under the X-Request-Id of this response.",
    )
