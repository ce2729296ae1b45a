"""Writes fields of Protocol Buffers, for messages that are too large or too few for a library.

Every field here has the wire type "length-delimited": its number and type, its length, and as many bytes.

Source: Protocol Buffers, "Encoding".
"""

_LENGTH_DELIMITED = 2
"""The wire type of text, bytes and messages."""


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
