"""Reading lists of numbers from JSON text with NumPy, without a Python object for each number.

An image is half a million numbers. As Python objects they take many times the memory of their text, and a
JSON parser holds Python's global lock while it creates them, which blocks all other requests.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.inference.engines.signatures import ANY
from fcn.server.interface import ServerError
from fcn.server.validation import invalid, shorten

_START = re.compile(rb'["[]')
_RUN = re.compile(rb"[][0-9.eE+\-, \t\r\n]*+")
"""Characters of nested lists of numbers, valid or not."""

_SHORTEST = 1024
"""Size in bytes below which lists are left to the JSON parser."""

_MOST_PARTS = 50_000
"""Maximum number of strings and lists to look at; the rest of the text is left to the JSON parser."""

_PIECE, _BACK = 1 << 18, 3
"""Number of bytes to scan at once, and by how many a number may reach back into the piece before."""

_CHARACTER_KINDS = bytes.maketrans(b"0123456789\t\r\n", b"0000000000   ")
_STRAY = re.compile(rb"[^0-9\[\], \t\r\n]")
_WRONG_NUMBER = re.compile(rb"(?<![0-9])(0[0-9]|[0-9]{4}|[3-9][0-9]{2}|2[6-9][0-9]|25[6-9])")
_BEFORE, _EXCERPT = 8, 80
"""Number of bytes that an error quotes before the wrong place, and the maximum in total."""


class _Piece(NamedTuple):
    """Scanned piece of a text.

    Attributes:
        skeleton: The piece without white space, with a zero for each number.
        values: The numbers that end in it, if they are valid.
        is_good: Whether they are valid: below 256 and without leading zeros.
        start: Its position in the text.
        kept: `bool[N]`, which characters are in the skeleton.
    """

    skeleton: bytes
    values: npt.NDArray[np.uint8]
    is_good: bool
    start: int
    kept: npt.NDArray[np.bool_]


def extract_number_lists(text: bytes, placeholder: bytes) -> tuple[bytes, list[bytes]]:
    r"""Extracts long lists of only numbers and lists from JSON text.

    Args:
        text: The text.
        placeholder: Text that replaces each list, with "%d" for its index.

    Returns:
        The rest of the text, and the texts of the lists, which need not be well-formed.

    Example:
        >>> extract_number_lists(b'{"a": [%s1], "b": [2]}' % (b"1," * 600), b'"list %d"')[0]
        b'{"a": "list 0", "b": [2]}'
    """
    lists: list[bytes] = []
    parts: list[bytes] = []
    done = position = 0
    for _ in range(_MOST_PARTS):
        match = _START.search(text, position)
        if match is None:
            break
        start = match.start()
        if text[start] == ord('"'):
            position = _find_end_of_string(text, start)
            continue
        run = _RUN.match(text, start)
        position = run.end() if run else start + 1
        if position - start >= _SHORTEST and (length := _find_end(text[start:position])) >= _SHORTEST:
            parts += [text[done:start], placeholder % len(lists)]
            done = start + length
            lists.append(text[start:done])
    return b"".join([*parts, text[done:]]), lists


def _find_end_of_string(text: bytes, start: int) -> int:
    """Returns the end of the string that starts with the quote at `start`."""
    end = start
    while (end := text.find(b'"', end + 1)) >= 0:
        before = end - 1
        while text[before] == ord("\\"):
            before -= 1
        if (end - before) % 2:  # an even number of backslashes does not escape the quote
            return end + 1
    return len(text)


def _find_end(text: bytes) -> int:
    """Returns the length of the list at the start of a text; 0 if it is not closed."""
    characters = np.frombuffer(text, np.uint8)
    brackets = np.flatnonzero((characters == ord("[")) | (characters == ord("]")))
    steps = np.where(characters[brackets] == ord("["), np.int8(1), np.int8(-1))
    closed = np.cumsum(steps, dtype=np.int32) == 0
    return int(brackets[closed.argmax()]) + 1 if closed.any() else 0


def read_uint8_lists(text: bytes, shape: Sequence[int], what: str) -> npt.NDArray[np.uint8]:
    """Reads nested lists of integers 0 to 255.

    Args:
        text: The lists, as JSON.
        shape: Expected shape, `ANY` for any size of a dimension.
        what: Their name in error messages.

    Returns:
        `uint8` of that shape.

    Raises:
        ServerError: If the text is something else.

    Example:
        >>> read_uint8_lists(b"[[1, 2, 3], [4, 5, 255]]", (ANY, 3), "inputs").tolist()
        [[1, 2, 3], [4, 5, 255]]
    """
    expected = f"integers 0 to 255 in lists of shape {format_shape(shape)} in `{what}`"
    if ANY not in shape and (count := _count_numbers(text)) != math.prod(shape):
        raise _error(expected, f"{count} in total", text)
    pieces = [_scan(text, start) for start in range(0, len(text), _PIECE)]
    # With a zero for each number, the text is determined by the shape alone.
    skeleton = b"".join(piece.skeleton for piece in pieces)
    depth = len(skeleton) - len(skeleton.lstrip(b"["))
    if depth != len(shape):
        raise _error(expected, f"lists {depth} deep", text)
    sides = _measure(skeleton, depth)
    if 0 in sides or any(side not in (ANY, measured) for side, measured in zip(shape, sides, strict=True)):
        raise _error(
            expected, f"{format_shape(sides)}, judging by the first lists, {_excerpt(text, 0)}", text
        )
    if (first := _first_difference(skeleton, _build_skeleton(sides))) is not None:
        position = _find_position(pieces, min(first, len(skeleton) - 1))
        raise _error(
            f"{expected}, all of one size (send images of different sizes in separate requests)",
            f"{format_shape(sides)}, judging by the first lists, and then {_excerpt(text, position)}",
            text,
        )
    if not all(piece.is_good for piece in pieces):
        wrong = _WRONG_NUMBER.search(text)
        raise invalid(expected, _excerpt(text, wrong.start() if wrong else 0))
    return np.concatenate([piece.values for piece in pieces]).reshape(sides)


def format_shape(shape: Sequence[int]) -> str:
    """Formats a shape for an error message.

    Example:
        >>> format_shape((ANY, 3))
        '[any, 3]'
    """
    return f"[{', '.join('any' if side == ANY else str(side) for side in shape)}]"


def _count_numbers(text: bytes) -> int:
    """Returns how many numbers are in lists, judging by the commas, without reading them."""
    commas = text.count(b",")
    return commas + 1 if commas or text.strip(b"[] \t\r\n") else 0


def _measure(skeleton: bytes, depth: int) -> list[int]:
    """Returns the shape according to the first list of each depth; rounded down, 0 for an empty list."""
    numbers = [1]
    for inner in range(1, depth + 1):
        numbers.append(skeleton.count(b"0", 0, max(0, skeleton.find(b"]" * inner))))
    pairs = zip(numbers[1:], numbers[:-1], strict=True)
    return [whole // max(part, 1) for whole, part in pairs][::-1]


def _build_skeleton(sides: Sequence[int]) -> bytes:
    skeleton = b"0"
    for side in reversed(sides):
        skeleton = b"[" + (skeleton + b",") * (side - 1) + skeleton + b"]"
    return skeleton


def _first_difference(one: bytes, other: bytes) -> int | None:
    if one == other:
        return None
    shorter = min(len(one), len(other))
    same = np.frombuffer(one, np.uint8, shorter) == np.frombuffer(other, np.uint8, shorter)
    return shorter if same.all() else int(same.argmin())


def _scan(text: bytes, start: int) -> _Piece:
    """Scans the piece of a text that begins at `start`."""
    before = max(0, start - _BACK)
    # One more byte shows whether the last number continues.
    around = b" " * (_BACK - (start - before)) + text[before : start + _PIECE + 1]
    own = slice(_BACK, _BACK + _PIECE)
    kinds = np.frombuffer(around.translate(_CHARACTER_KINDS), np.uint8)
    is_digit = kinds == ord("0")
    ends = is_digit.copy()
    ends[:-1] &= ~is_digit[1:]
    kept = (ends | ~is_digit) & (kinds != ord(" "))
    pairs = is_digit[1:] & is_digit[:-1]  # pairs[i]: digits at i and i + 1
    triples = pairs[1:] & pairs[:-1]
    digits = (np.frombuffer(around, np.uint8) - np.uint8(ord("0"))) * is_digit
    zeros = (digits == 0) & is_digit & ~ends
    zeros[1:] &= ~is_digit[:-1]
    last = np.flatnonzero(ends[own]) + _BACK
    values = digits[last].astype(np.uint16)
    values += digits[last - 1] * np.uint16(10)
    values += (digits[:-2] * triples)[last - 2] * np.uint16(100)
    too_long = (triples[1:] & triples[:-1]).any()
    is_good = not (too_long or zeros[own].any() or (values > 255).any())
    return _Piece(kinds[own][kept[own]].tobytes(), values.astype(np.uint8), is_good, start, kept[own])


def _find_position(pieces: Sequence[_Piece], index: int) -> int:
    """Returns the position in the text of a character of the skeleton."""
    for piece in pieces:
        if index < len(piece.skeleton):
            return piece.start + int(np.flatnonzero(piece.kept)[index])
        index -= len(piece.skeleton)
    return 0


def _error(expected: str, received: str, text: bytes) -> ServerError:
    """Returns an error that quotes the first character that is not part of a number, if there is one."""
    stray = _STRAY.search(text)
    return invalid(expected, _excerpt(text, stray.start()) if stray else received)


def _excerpt(text: bytes, position: int) -> str:
    start = max(0, position - _BEFORE)
    return f"{shorten(text[start : start + _EXCERPT].decode(errors='replace'))} at byte {start} of the list"
