"""Lists of numbers out of JSON text, without an object of Python for each: an image is half a million.

A reader of JSON makes lists and numbers that are many times larger than their text, takes long over them, and
keeps Python's lock meanwhile, so that no other request goes on.
"""

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
"""What may stand in a list of lists of numbers, good or bad ones."""

_SHORTEST = 1024
"""Shorter lists are left to the reader of JSON, in bytes."""

_MOST_PARTS = 50_000
"""How many strings and lists are looked at; what comes after more of them is left to the reader of JSON."""

_PIECE, _BACK = 1 << 18, 3
"""How many bytes are looked at together, and how far a number of a piece may reach back into another."""

_CHARACTER_KINDS = bytes.maketrans(b"0123456789\t\r\n", b"0000000000   ")
_STRAY = re.compile(rb"[^0-9\[\], \t\r\n]")
_WRONG_NUMBER = re.compile(rb"(?<![0-9])(0[0-9]|[0-9]{4}|[3-9][0-9]{2}|2[6-9][0-9]|25[6-9])")
_BEFORE, _EXCERPT = 8, 80
"""How many bytes an error shows before what is wrong, and in all at most."""


class _Piece(NamedTuple):
    """What is in a piece of a text.

    Attributes:
        skeleton: The piece without white space, each number a zero.
        values: The numbers that end in it, if they are good.
        is_good: Whether they are: below 256, and without zeros before them.
        start: Where it begins.
        kept: `bool[N]`, what is in the skeleton.
    """

    skeleton: bytes
    values: npt.NDArray[np.uint8]
    is_good: bool
    start: int
    kept: npt.NDArray[np.bool_]


def extract_number_lists(text: bytes, placeholder: bytes) -> tuple[bytes, list[bytes]]:
    r"""Takes long lists that hold nothing but numbers and lists out of JSON text.

    Args:
        text: The text.
        placeholder: What takes the place of each, with "%d" for its number.

    Returns:
        The rest of the text, and the lists. They need not be well-formed.

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
    """Returns where the string ends that starts with the quote at `start`."""
    end = start
    while (end := text.find(b'"', end + 1)) >= 0:
        before = end - 1
        while text[before] == ord("\\"):
            before -= 1
        if (end - before) % 2:  # backslashes in pairs stand for themselves
            return end + 1
    return len(text)


def _find_end(text: bytes) -> int:
    """Returns where the list ends that a text begins with; 0 where something else stands in it."""
    characters = np.frombuffer(text, np.uint8)
    brackets = np.flatnonzero((characters == ord("[")) | (characters == ord("]")))
    steps = np.where(characters[brackets] == ord("["), np.int8(1), np.int8(-1))
    closed = np.cumsum(steps, dtype=np.int32) == 0
    return int(brackets[closed.argmax()]) + 1 if closed.any() else 0


def read_uint8_lists(text: bytes, shape: Sequence[int], what: str) -> npt.NDArray[np.uint8]:
    """Reads nested lists of whole numbers 0 to 255.

    Args:
        text: The lists, as JSON.
        shape: Lengths of the sides, `ANY` where they may vary.
        what: What they are, for errors.

    Returns:
        `uint8` of that shape.

    Raises:
        ServerError: If the text is something else.

    Example:
        >>> read_uint8_lists(b"[[1, 2, 3], [4, 5, 255]]", (ANY, 3), "inputs").tolist()
        [[1, 2, 3], [4, 5, 255]]
    """
    expected = f"whole numbers 0 to 255 in lists of shape {format_shape(shape)} in `{what}`"
    pieces = [_scan(text, start) for start in range(0, len(text), _PIECE)]
    # What is left when each number is a zero says where the brackets are: all of it follows from the sides.
    skeleton = b"".join(piece.skeleton for piece in pieces)
    depth = len(skeleton) - len(skeleton.lstrip(b"["))
    if depth != len(shape):
        raise _error(expected, f"lists {depth} deep", text)
    sides = _measure(skeleton, depth)
    if 0 in sides or any(side not in (ANY, measured) for side, measured in zip(shape, sides, strict=True)):
        raise _error(
            expected, f"{format_shape(sides)}, to judge by the first lists, {_excerpt(text, 0)}", text
        )
    if (first := _first_difference(skeleton, _build_skeleton(sides))) is not None:
        position = _find_position(pieces, min(first, len(skeleton) - 1))
        raise _error(
            f"{expected}, all of one size (images of several sizes take a request each)",
            f"{format_shape(sides)}, to judge by the first lists, and then {_excerpt(text, position)}",
            text,
        )
    if not all(piece.is_good for piece in pieces):
        wrong = _WRONG_NUMBER.search(text)
        raise invalid(expected, _excerpt(text, wrong.start() if wrong else 0))
    return np.concatenate([piece.values for piece in pieces]).reshape(sides)


def format_shape(shape: Sequence[int]) -> str:
    """Returns a shape as an error says it.

    Example:
        >>> format_shape((ANY, 3))
        '[any, 3]'
    """
    return f"[{', '.join('any' if side == ANY else str(side) for side in shape)}]"


def _measure(skeleton: bytes, depth: int) -> list[int]:
    """Returns the sides of the first list of each depth, outermost first; rounded down, 0 without any."""
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
    """Looks at the piece of a text that begins at `start`."""
    before = max(0, start - _BACK)
    # One byte more says whether a number goes on.
    around = b" " * (_BACK - (start - before)) + text[before : start + _PIECE + 1]
    own = slice(_BACK, _BACK + _PIECE)
    kinds = np.frombuffer(around.translate(_CHARACTER_KINDS), np.uint8)
    is_digit = kinds == ord("0")
    ends = is_digit.copy()
    ends[:-1] &= ~is_digit[1:]
    kept = (ends | ~is_digit) & (kinds != ord(" "))
    pairs = is_digit[1:] & is_digit[:-1]  # pairs[i]: there is a digit at i, and after it
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
    """Returns where in the text something of the skeleton stands."""
    for piece in pieces:
        if index < len(piece.skeleton):
            return piece.start + int(np.flatnonzero(piece.kept)[index])
        index -= len(piece.skeleton)
    return 0


def _error(expected: str, received: str, text: bytes) -> ServerError:
    """Returns what a client is told; where there is something else than numbers, that is what came."""
    stray = _STRAY.search(text)
    return invalid(expected, _excerpt(text, stray.start()) if stray else received)


def _excerpt(text: bytes, position: int) -> str:
    start = max(0, position - _BEFORE)
    return f"{shorten(text[start : start + _EXCERPT].decode(errors='replace'))} at byte {start} of it"
