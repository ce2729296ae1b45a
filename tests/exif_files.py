"""Files with EXIF blocks, whole, damaged and hostile."""

import struct
import zlib
from collections.abc import Iterator
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image

_TYPES = {"B": 1, "H": 3, "L": 4, "b": 6, "h": 8, "l": 9}
_ORIENTATION = 274


def exif_block(
    value: int, order: str = "<", kind: str = "H", before: int = 2, after: int = 3, count: int = 1
) -> bytes:
    """Returns an EXIF block: tags with values of their own, then the orientation, then more tags.

    Args:
        value: The orientation.
        order: "<" for little-endian, ">" for big-endian.
        kind: Format of the value, one of `struct`'s.
        before: Number of tags before it.
        after: Number of tags after it.
        count: How many values the tag has; all are alike.
    """
    tags = before + 1 + after
    place = 8 + 2 + 12 * tags + 4  # of values that are longer than 4 bytes
    entries, values = b"", b""
    for index in range(tags):
        code, number, content = 2, 12, b"about \xc3\xa9 it\0"
        if index == before:
            code, number, content = (
                _TYPES[kind],
                count,
                struct.pack(f"{order}{count}{kind}", *[value] * count),
            )
        tag = _ORIENTATION - before + index
        entries += struct.pack(f"{order}HHL", tag, code, number)
        if len(content) > 4:
            entries += struct.pack(f"{order}L", place + len(values))
            values += content
        else:
            entries += content.ljust(4, b"\0")
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(f"{order}LH", 8, tags) + entries + struct.pack(f"{order}L", 0) + values


def damaged_exif(count: int) -> Iterator[bytes]:
    """Yields EXIF blocks that are cut, changed, or say what is not so; some are whole."""
    rng = np.random.default_rng(3)
    for index in range(count):
        order = "<>"[index % 2]
        kind = rng.choice(list("HHHHHHBLbhl"))
        block = bytearray(
            exif_block(
                int(rng.integers(0, 10)),
                order,
                kind,
                int(rng.integers(0, 4)),
                int(rng.integers(0, 4)),
                int(rng.choice([1, 1, 1, 1, 2, 3, 0])),
            )
        )
        match rng.integers(7):
            case 0:
                del block[int(rng.integers(len(block))) :]
            case 1:  # a length, a place or a type of a tag
                tags = struct.unpack_from(f"{order}H", block, 8)[0]
                entry = 10 + 12 * int(rng.integers(tags))
                place, form = [(2, "H"), (4, "L"), (8, "L")][rng.integers(3)]
                changed = int(rng.choice([0, 1, 2, 3, 7, 12, 13, 16, 255, 65535]))
                if form == "L":
                    changed = int(rng.choice([0, 1, 4, 5, 40, len(block), 2**16, 2**31, 2**32 - 1]))
                struct.pack_into(f"{order}{form}", block, entry + place, changed)
            case 2:  # another number of tags
                struct.pack_into(f"{order}H", block, 8, int(rng.choice([0, 1, 2, 5, 100, 65535])))
            case 3:  # another place of the tags
                struct.pack_into(f"{order}L", block, 4, int(rng.choice([0, 2, 7, 9, 10, len(block), 2**31])))
            case 4:
                block[:4] = [b"MM*\0", b"II\0*", b"II+\0", b"MM\0+", b"EXIF", b"MMII"][rng.integers(6)]
            case 5:
                for _ in range(rng.integers(1, 5)):
                    block[rng.integers(len(block))] = rng.integers(256)
            case 6 if rng.random() < 0.3:
                block[:0] = b"Exif\0\0"
        yield bytes(block)


@cache
def _plain(kind: str) -> bytes:
    buffer = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def segment(marker: int, content: bytes) -> bytes:
    """Returns a segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg_with(*blocks: bytes) -> bytes:
    """Returns a small JPEG with a segment for each EXIF block."""
    plain = _plain("JPEG")
    segments = b"".join(segment(0xE1, b"Exif\0\0" + block) for block in blocks)
    return plain[:2] + segments + plain[2:]


def chunk(kind: bytes, content: bytes) -> bytes:
    """Returns a chunk of a PNG."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">L4s", len(content), kind) + content + struct.pack(">L", checksum)


def png_with(block: bytes) -> bytes:
    """Returns a small PNG with an EXIF block."""
    plain = _plain("PNG")
    return plain[:33] + chunk(b"eXIf", block) + plain[33:]
