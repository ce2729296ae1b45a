"""Lists of files, folders and URLs, as people and other systems write them."""

import codecs
import os
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from fcn.errors import DataError

_BLOCK = 1 << 16
_MOST_BYTES = 1 << 16
"""Most bytes of an entry: longer than any path, and than URLs that servers accept."""

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class PathList(NamedTuple):
    """A list of files, folders and URLs, read once, a part at a time.

    A line may end as on Windows, and the list may begin with a byte order mark, also that of UTF-16, as
    PowerShell writes it. After NULs nothing is changed, since they separate any names that there are.

    Attributes:
        stream: The file to read.
        separator: Separates two entries: a newline, or a NUL if names may contain newlines.
    """

    stream: BinaryIO
    separator: bytes = b"\n"

    def entries(self) -> Iterator[str]:
        """Yields the entries that are not empty.

        Raises:
            DataError: If an entry is longer than paths and URLs can be, or UTF-16 is damaged.
        """
        lines = self.separator == b"\n"
        rest = b""
        for block in _blocks(self.stream, marked=lines):
            *parts, rest = (rest + block).split(self.separator)
            for part in parts:
                yield from _entry(part, lines)
            _check_length(rest)
        yield from _entry(rest, lines)


def _blocks(stream: BinaryIO, marked: bool) -> Iterator[bytes]:
    """Yields the content of a file a part at a time, in the encoding of file names.

    Args:
        stream: The file.
        marked: Whether it may begin with a byte order mark.
    """
    block = stream.read(_BLOCK)
    if marked and block.startswith(_UTF_16):
        decoder = codecs.getincrementaldecoder("utf-16")()
        try:
            while block:
                yield os.fsencode(decoder.decode(block))
                block = stream.read(_BLOCK)
            decoder.decode(b"", final=True)
        except UnicodeError as error:
            raise DataError(
                "the list: begins as UTF-16 and is damaged further on. Save it as UTF-8."
            ) from error
        return
    block = block.removeprefix(codecs.BOM_UTF8) if marked else block
    while block:
        yield block
        block = stream.read(_BLOCK)


def _entry(part: bytes, is_line: bool) -> Iterator[str]:
    # No image has a suffix that ends with a carriage return.
    part = part.removesuffix(b"\r") if is_line else part
    _check_length(part)
    if part:
        yield os.fsdecode(part)


def _check_length(part: bytes) -> None:
    if len(part) > _MOST_BYTES:
        raise DataError(
            f"the list: has an entry of more than {_MOST_BYTES:,} bytes, which begins with "
            f"{os.fsdecode(part[:60])!r}. Expected paths and URLs, one a line or, with --null, with a NUL "
            "after each."
        )
