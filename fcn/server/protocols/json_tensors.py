"""Reading tensors from JSON, with strict checks of their content."""

import binascii
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from fcn.server.interface import string_tensor
from fcn.server.protocols.number_lists import extract_number_lists, read_uint8_lists
from fcn.server.validation import describe, invalid, shorten

# As Python objects, a document of lists, objects and short strings takes many times the memory of its text:
# 8 bytes of `{"a":0}` become 250. Requests with images have that many values only in lists of numbers.
MAX_STRINGS = _VALUES = 20_000
"""Maximum number of strings, and of all values, of a request."""


def read_object(text: bytes, what: str) -> dict[str, Any]:
    """Reads a JSON object.

    Args:
        text: The JSON.
        what: Its name in error messages.

    Returns:
        The object; long lists of only numbers and lists are `orjson.Fragment`s of their text, which may not
        be well-formed.

    Raises:
        ServerError: If it is not JSON, not an object, nested too deeply, or has more values than a request
            with images can have.

    Example:
        >>> read_object(b'{"id": "1"}', "the body")
        {'id': '1'}
    """
    if (found := text.count(b'"') // 2) > MAX_STRINGS:
        raise invalid(f"at most {MAX_STRINGS} strings in {what}", str(found))
    placeholder = secrets.token_hex()
    rest, fragments = extract_number_lists(text, f'{{"{placeholder}":%d}}'.encode())
    if (found := sum(map(rest.count, (b"[", b"{", b",")))) > _VALUES + len(fragments):
        raise invalid(f"at most {_VALUES} values in {what}, not counting lists of numbers", str(found))
    try:
        document = _insert(orjson.loads(rest), placeholder, fragments)
    except orjson.JSONDecodeError as error:
        raise invalid(f"JSON in {what}", f"{len(text)} bytes that are not JSON ({error.msg})") from error
    if not isinstance(document, dict):
        raise invalid(f"a JSON object in {what}", describe(document))
    return document


def read_pixels(value: object, shape: Sequence[int], what: str) -> npt.NDArray[np.uint8]:
    """Reads nested lists of integers 0 to 255 from a document of `read_object`.

    Args:
        value: The lists, nested as deeply as there are dimensions.
        shape: Expected shape, `ANY` for any size of a dimension.
        what: Their name in error messages.

    Returns:
        `uint8` of that shape.

    Raises:
        ServerError: If they are something else.

    Example:
        >>> read_pixels([[1, 2, 3], [4, 5, 6]], (-1, 3), "inputs").tolist()
        [[1, 2, 3], [4, 5, 6]]
    """
    return read_uint8_lists(_list_text(value, what), shape, what)


def holds_lists(value: object, what: str) -> bool:
    """Returns whether the first element of a list from a document of `read_object` is a list.

    Raises:
        ServerError: If the value is not a list.

    Example:
        >>> holds_lists([[1], [2]], "inputs"), holds_lists([1, 2], "inputs")
        (True, False)
    """
    return _list_text(value, what)[1:].lstrip()[:1] == b"["


def read_strings(value: object, decode: Callable[[object, str], bytes], what: str) -> npt.NDArray[np.object_]:
    """Reads a list of strings.

    Args:
        value: The list.
        decode: Converts an element to bytes; its second argument is the place of the element, for error
            messages.
        what: Name of the list in error messages.

    Returns:
        `object[N]`, each `bytes`.

    Raises:
        ServerError: If it is not a list, is empty, or holds something else.
    """
    if not isinstance(value, list) or not value:
        raise invalid(f"a list of one or more strings in `{what}`", describe(value))
    return string_tensor([decode(one, f"{what}[{index}]") for index, one in enumerate(value)])


def decode_base64(text: object, place: str) -> bytes:
    r"""Decodes a base64 string, with or without line breaks and padding.

    Raises:
        ServerError: If it is not a string, or not base64.

    Example:
        >>> decode_base64("AP8=", "inputs[0]"), decode_base64("AP\n8", "inputs[0]")
        (b'\x00\xff', b'\x00\xff')
    """
    if not isinstance(text, str):
        raise invalid(f"a base64 string at {place}", describe(text))
    line = text.replace("\n", "").replace("\r", "")
    try:
        return binascii.a2b_base64(line + "=" * (-len(line) % 4), strict_mode=True)
    except ValueError as error:
        raise invalid(f"base64 at {place}", f"{shorten(text)} ({error})") from error


def encode_base64(data: bytes) -> str:
    """Encodes bytes as one line of base64."""
    return binascii.b2a_base64(data, newline=False).decode()


def _insert(document: Any, placeholder: str, fragments: list[bytes]) -> Any:
    """Replaces placeholders by the text of their lists of numbers."""
    top = [document]
    waiting: list[Any] = [top]
    while waiting:
        node = waiting.pop()
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(value, dict) and placeholder in value:
                node[key] = orjson.Fragment(fragments[value[placeholder]])
            elif isinstance(value, (dict, list)):
                waiting.append(value)
    return top[0]


def _list_text(value: object, what: str) -> bytes:
    if not isinstance(value, (list, orjson.Fragment)):
        raise invalid(f"a list as `{what}`", describe(value))
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise invalid(f"lists of numbers as `{what}`", str(error)) from error
