"""Checks of requests, and error messages for invalid ones."""

import orjson

from fcn.inference.engines.signatures import Signature
from fcn.server.interface import ErrorKind, ServerError

_SHOWN = 40
"""Maximum number of received characters that an error quotes."""


def invalid(expected: str, received: str) -> ServerError:
    """Returns the error for an invalid request.

    Args:
        expected: Description of the expected value and its place.
        received: Description of the received value.
    """
    return ServerError(ErrorKind.BAD_REQUEST, f"Expected {expected}. Received: {received}.")


def describe(value: object) -> str:
    """Describes a JSON value in a few words.

    Example:
        >>> print(describe([1, 2]), describe(True), describe("a"), describe({"b64": ""}), sep="; ")
        a list of 2; true; the string "a"; an object with "b64"
    """
    match value:
        case None | True | False:
            return orjson.dumps(value).decode()
        case str():
            return f"the string {shorten(value)}"
        case list():
            return f"a list of {len(value)}"
        case dict():
            return f"an object with {', '.join(map(shorten, list(value)[:3])) or 'no keys'}"
        case orjson.Fragment():
            return "a list of numbers"
        case _:
            return str(value)[:_SHOWN]


def shorten(text: str) -> str:
    """Returns a string in quotes, cut to forty characters.

    Example:
        >>> shorten("a" * 100)
        '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"...'
    """
    return orjson.dumps(text[:_SHOWN]).decode() + ("..." if len(text) > _SHOWN else "")


def find_signature(signatures: dict[str, Signature], name: str) -> Signature:
    """Returns a signature by name.

    Raises:
        ServerError: If it does not exist.
    """
    if name not in signatures:
        raise invalid(f"one of the signatures {', '.join(signatures)}", shorten(name))
    return signatures[name]
