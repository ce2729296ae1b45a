"""Writes and reads fields of Protocol Buffers, for messages that are too large or too few for a library.

Every field written here has the wire type "length-delimited": its number and type, its length, and as many
bytes.

Source: Protocol Buffers, "Encoding".
"""

from collections.abc import Iterator
from typing import NamedTuple

_LENGTH_DELIMITED = 2
"""The wire type of text, bytes and messages."""

_VARINT = 0
_FIXED_BYTES = {1: 8, 5: 4}
"""Sizes of the wire types of fixed size."""

_LONGEST_VARINT = 10


class Field(NamedTuple):
    """A field of a message.

    Attributes:
        number: The field's number in its message.
        start: Position of the first byte of its content.
        end: Position after the last one.
    """

    number: int
    start: int
    end: int


def read_fields(content: memoryview | bytes, start: int, end: int) -> Iterator[Field]:
    """Yields the fields of a message, without reading what is inside of them.

    Args:
        content: What holds the message.
        start: Position of its first byte.
        end: Position after its last one.

    Raises:
        ValueError: If the message is damaged.

    Example:
        >>> list(read_fields(field(1, b"fcn"), 0, 5))
        [Field(number=1, start=2, end=5)]
    """
    while start < end:
        tag, start = _read_varint(content, start, end)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _LENGTH_DELIMITED:
            length, start = _read_varint(content, start, end)
        elif wire_type == _VARINT:
            length = _read_varint(content, start, end)[1] - start
        else:
            length = _FIXED_BYTES.get(wire_type, end)
        if length > end - start:
            raise ValueError(f"the field {number} is longer than its message")
        yield Field(number, start, start + length)
        start += length


def field(number: int, content: bytes) -> bytes:
    """Returns a field.

    Args:
        number: The field's number in its message.
        content: Text, bytes, or a message.

    Example:
        >>> field(1, b"fcn").hex(" ")
        '0a 03 66 63 6e'
    """
    return field_head(number, len(content)) + content


def field_head(number: int, length: int) -> bytes:
    """Returns the part of a field in front of its content, so that large content is written on its own.

    Args:
        number: The field's number in its message.
        length: The content's length in bytes.
    """
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(length)


def _varint(value: int) -> bytes:
    """Returns a whole number in base 128, the lowest digit first; all bytes but the last have bit 7 set.

    Example:
        >>> _varint(300).hex()
        'ac02'
    """
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])


def _read_varint(content: memoryview | bytes, start: int, end: int) -> tuple[int, int]:
    """Returns a number as `_varint` writes it, and the position after it."""
    value = 0
    for index, digit in enumerate(content[start : min(end, start + _LONGEST_VARINT)]):
        value |= (digit & 127) << 7 * index
        if digit < 128:
            return value, start + index + 1
    raise ValueError("a number has no end")
