"""Methods of gRPC: what the services offer, and how requests name versions."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from fcn.server.interface import ErrorKind, ServerError
from fcn.server.validation import shorten

_DIGITS = 18
"""Of a version; Python converts only so many."""


class Method(NamedTuple):
    """A method that clients may call.

    Attributes:
        protocol: Name under which its calls are counted.
        request: Full name of the message that it takes.
        answer: Returns the bytes of the answer to a request.
        is_open: Whether it needs no token, and is answered however many other calls there are.
    """

    protocol: str
    request: str
    answer: Callable[[Any], Awaitable[bytes]]
    is_open: bool = False


Methods = Mapping[str, Method]
"""Methods by path, such as `/grpc.health.v1.Health/Check`."""


def read_version(text: str) -> int | None:
    """Returns the version in a request of the Open Inference Protocol; None for the newest.

    Raises:
        ServerError: If it is not a number.

    Example:
        >>> read_version(""), read_version("3")
        (None, 3)
    """
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise ServerError(ErrorKind.NOT_FOUND, f"Expected a number as version. Received: {shorten(text)}.")
    return int(text)
