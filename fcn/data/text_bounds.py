"""Bounds of comments in GIF and PNM files, which Pillow reads in Python, in time that may be quadratic."""

import re
from typing import IO

from fcn.data.image_bounds import REMEDY
from fcn.errors import DataError

_MOST_BLOCKS = 8192
_HEADER_BYTES = 1 << 16
_MOST_COMMENTS = 1000
_BLOCK_BYTES = 1 << 20
_COMMENT = re.compile(rb"#[^\r\n]*(?:[\r\n]|\Z)")
_TOKENS = 4
_TOKENS_OF_BLACK_AND_WHITE = 3

_EXTENSION, _FRAME, _END = b"!", b",", b";"


def check_comments(file: IO[bytes], name: object) -> None:
    """Refuses a GIF or PNM with so many comments that reading them would take longer than its pixels.

    Args:
        file: The file, at its beginning, where it is left.
        name: The image's name in an error, usually its path.

    Raises:
        DataError: If a GIF has more than 8,192 blocks before its first frame; if the header of a PNM is
            longer than 64 KiB, or one in decimal numbers has more than 1,000 comments.
    """
    start = file.read(13)
    if start.startswith(b"GIF"):
        if _has_many_blocks(file, start):
            raise DataError(f"{name}: expected at most {_MOST_BLOCKS:,} blocks before the image. {REMEDY}")
    elif start.startswith(b"P"):
        _check_pnm(file, start, name)
    file.seek(0)


def _has_many_blocks(file: IO[bytes], start: bytes) -> bool:
    """Returns whether a GIF has too many blocks, or bytes between them, before its first frame."""
    flags = start[10] if len(start) == 13 else 0
    if flags & 0x80:
        file.seek(3 << (1 + (flags & 7)), 1)
    blocks = 0
    while blocks <= _MOST_BLOCKS:
        kind = file.read(1)
        if kind in (b"", _FRAME, _END):
            return False
        blocks += 1
        if kind == _EXTENSION:
            file.seek(1, 1)
            while blocks <= _MOST_BLOCKS and (length := file.read(1)) not in (b"", b"\0"):
                file.seek(length[0], 1)
                blocks += 1
    return True


def _check_pnm(file: IO[bytes], start: bytes, name: object) -> None:
    kind = start[1:2]
    head = start + file.read(_HEADER_BYTES)
    tokens = len(_COMMENT.sub(b"", head).split())
    if len(head) > _HEADER_BYTES and tokens < (_TOKENS_OF_BLACK_AND_WHITE if kind in b"14" else _TOKENS):
        raise DataError(f"{name}: expected a header of at most {_HEADER_BYTES:,} bytes. {REMEDY}")
    if kind not in b"123":  # only among decimal numbers may be comments
        return
    comments, block = 0, head
    while block:
        comments += block.count(b"#")
        if comments > _MOST_COMMENTS:
            raise DataError(f"{name}: expected at most {_MOST_COMMENTS:,} comments. {REMEDY}")
        block = file.read(_BLOCK_BYTES)
