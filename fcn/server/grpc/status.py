"""Errors as gRPC writes them: a status, a text, and when to try again.

Source: gRPC's doc/statuscodes.md, and Google's `error_details.proto` for the time after which to try again. A
status RESOURCE_EXHAUSTED without that time would come again: the request is too large.
"""

from grpc import StatusCode

from fcn.server.grpc.messages import MESSAGES, write_message
from fcn.server.interface import ErrorKind, ServerError

CODES = {
    ErrorKind.BAD_REQUEST: StatusCode.INVALID_ARGUMENT,
    ErrorKind.UNAUTHORIZED: StatusCode.UNAUTHENTICATED,
    ErrorKind.NOT_FOUND: StatusCode.NOT_FOUND,
    ErrorKind.METHOD_NOT_ALLOWED: StatusCode.UNIMPLEMENTED,
    ErrorKind.SLOW_CLIENT: StatusCode.DEADLINE_EXCEEDED,
    ErrorKind.TOO_LARGE: StatusCode.RESOURCE_EXHAUSTED,
    ErrorKind.UNSUPPORTED_MEDIA_TYPE: StatusCode.INVALID_ARGUMENT,
    ErrorKind.UNKNOWN_HOST: StatusCode.PERMISSION_DENIED,
    ErrorKind.BUSY: StatusCode.RESOURCE_EXHAUSTED,
    ErrorKind.STOPPING: StatusCode.UNAVAILABLE,
    ErrorKind.TIMED_OUT: StatusCode.DEADLINE_EXCEEDED,
}
"""Statuses of errors."""

_RESTART_SECONDS = 1
"""Until another server may answer in place of one that is stopping."""

_MOST_CHARACTERS = 1000
"""Of a text: clients refuse more than 8 KiB of metadata, in which it is sent with three bytes for some."""

Metadata = tuple[tuple[str, str | bytes], ...]


def retry_metadata(error: ServerError) -> Metadata:
    """Returns when to try again, as clients of gRPC and of Google's interfaces read it; empty for never.

    Example:
        >>> retry_metadata(ServerError(ErrorKind.BUSY, "The queue is full.", 2))[0]
        ('grpc-retry-pushback-ms', '2000')
    """
    seconds = error.retry_after_seconds
    if error.kind is ErrorKind.STOPPING:
        seconds = seconds or _RESTART_SECONDS
    if seconds is None:
        return ()
    info = {
        "type_url": f"type.googleapis.com/{MESSAGES['google.rpc.RetryInfo'].DESCRIPTOR.full_name}",
        "value": write_message("google.rpc.RetryInfo", retry_delay={"seconds": seconds}),
    }
    number = CODES[error.kind].value[0]
    status = write_message("google.rpc.Status", code=number, message=shown_text(error), details=[info])
    return ("grpc-retry-pushback-ms", str(1000 * seconds)), ("grpc-status-details-bin", status)


def shown_text(error: ServerError) -> str:
    """Returns the text of an error, as far as every client accepts it."""
    return error.message[:_MOST_CHARACTERS]
