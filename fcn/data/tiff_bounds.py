"""Bounds of TIFFs, checked before their pixels are decoded: tags, tiles, and JPEGs in them."""

import os
import struct
from typing import IO

from PIL import ImageFile
from PIL.TiffImagePlugin import (
    COMPRESSION,
    IMAGEWIDTH,
    TILEBYTECOUNTS,
    TILELENGTH,
    TILEWIDTH,
    TiffImageFile,
)

from fcn.data.image_bounds import REMEDY
from fcn.data.scans import JPEG_IN_TIFF, part_offsets
from fcn.errors import DataError

MAX_TAGS = 4096
"""Tags in one directory of a TIFF at most; cameras and editors write fewer than a hundred."""

MAX_PAGES = 64
"""Directories of a TIFF that are looked at."""

_TILE_PIXELS = 2**22
# Frames of JPEGs; the other three are tables and extensions.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MOST_SEGMENTS = 1 << 20
# Of BigTIFF, for numbers with a sign and places of directories.
_UNKNOWN_TYPES = (17, 18)
# Bytes of a value, by its type (TIFF 6.0, section 2, and BigTIFF).
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_TYPE_BYTES |= {16: 8, 17: 8, 18: 8}


def check_tags(file: IO[bytes], name: object) -> None:
    """Refuses a TIFF whose tags would take long to read, from the directories alone.

    The values of a genuine file lie side by side, so together they are no longer than the file. What is
    damaged otherwise is left for the decoder to refuse.

    Args:
        file: The file, at its beginning, where it is left.
        name: The image's name in an error, usually its path.

    Raises:
        DataError: If a directory has more than `MAX_TAGS` tags, values that are longer than the file, or
            sizes in a form that Pillow does not see and libtiff does.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    try:
        _check_directories(file, size, name)
    except struct.error:  # it ends too early
        pass
    finally:
        file.seek(0)


def _check_directories(file: IO[bytes], size: int, name: object) -> None:
    start = file.read(16)
    order = "<" if start[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", start, 2)[0] == 43
    (place,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", start, 8 if big else 4)
    counts, entry, following = ("Q", "HHQQ", "Q") if big else ("H", "HHII", "I")
    entry_bytes = struct.calcsize(f"{order}{entry}")
    for _ in range(MAX_PAGES):
        if not 0 < place < size:
            return
        file.seek(place)
        (tags,) = _unpack(file, f"{order}{counts}")
        if tags > MAX_TAGS:
            raise DataError(f"{name}: expected at most {MAX_TAGS} tags. Received: {tags}. {REMEDY}")
        table = file.read(tags * entry_bytes)
        total = 0
        for tag in range(len(table) // entry_bytes):
            number, kind, count, _ = struct.unpack_from(f"{order}{entry}", table, tag * entry_bytes)
            if kind in _UNKNOWN_TYPES and IMAGEWIDTH <= number <= TILEBYTECOUNTS:
                raise DataError(
                    f"{name}: expected tags of types that every decoder knows. Received: tag {number} of "
                    f"type {kind}. {REMEDY}"
                )
            total += _TYPE_BYTES.get(kind, 1) * count
        if total > size:
            raise DataError(
                f"{name}: expected tags that are no longer than the file, {size:,} bytes. "
                f"Received: {total:,} bytes. {REMEDY}"
            )
        (place,) = _unpack(file, f"{order}{following}")


def _unpack(file: IO[bytes], form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def check_tiles(image: ImageFile.ImageFile, pixels: int, name: object) -> None:
    """Refuses a TIFF with tiles that are far larger than its image, since each is decoded whole.

    Args:
        image: The opened file.
        pixels: Pixels of the image.
        name: The image's name in an error, usually its path.

    Raises:
        DataError: If a tile has more pixels than the image has twice, and more than 4 million.
    """
    if not isinstance(image, TiffImageFile):
        return
    tags = image.tag_v2
    height, width = int(tags.get(TILELENGTH, 0)), int(tags.get(TILEWIDTH, 0))
    if height * width > max(_TILE_PIXELS, 2 * pixels):
        raise DataError(
            f"{name}: expected tiles of the image's size at most. Received: tiles of {width} x {height} "
            f"pixels. {REMEDY}"
        )
    if tags.get(COMPRESSION) == JPEG_IN_TIFF:
        _check_frames(image, part_offsets(tags), pixels, name)


def _check_frames(image: TiffImageFile, offsets: list[int], pixels: int, name: object) -> None:
    """Refuses a TIFF with JPEGs that are far larger than the image: the last strip may be of any height."""
    file = image.fp
    if file is None:
        return
    place, segments = file.tell(), 0
    for offset in sorted(set(offsets)):
        file.seek(offset + 2)
        while offset and len(start := file.read(2)) == 2:
            segments += 1
            if segments > _MOST_SEGMENTS or start[0] != 0xFF:  # decoders search for the next marker
                raise DataError(f"{name}: is a TIFF with damaged JPEGs. {REMEDY}")
            if start[1] == 0xFF:
                file.seek(-1, os.SEEK_CUR)
                continue
            if start[1] <= 0x01 or 0xD0 <= start[1] <= 0xD7:  # without a length
                continue
            content = file.read(7)
            if start[1] in _FRAMES:
                height, width = int.from_bytes(content[3:5]), int.from_bytes(content[5:7])
                if height * width > max(_TILE_PIXELS, 2 * pixels):
                    raise DataError(
                        f"{name}: expected JPEGs of the image's size at most. Received: one of {width} x "
                        f"{height} pixels. {REMEDY}"
                    )
                break
            file.seek(max(2, int.from_bytes(content[:2])) - len(content), os.SEEK_CUR)
    file.seek(place)
