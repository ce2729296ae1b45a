"""Bounds of image files, checked before their pixels are decoded: what a few bytes may ask for.

A file of some hundred kilobytes can name tags that take seconds to read, tiles that take gigabytes, and scans
that take minutes, although its image is small. Each check refuses such a file and names the cause.
"""

import os
import struct
from typing import IO, Any

import numpy as np
from PIL import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from fcn.errors import DataError

MAX_SIDE = 2**20
"""Rows or columns of an image at most, as in OpenCV."""

MAX_TAGS = 4096
"""Tags in one directory of a TIFF at most; cameras and editors write fewer than a hundred."""

MAX_PAGES = 64
"""Directories of a TIFF that are looked at."""

REMEDY = "Nothing was decoded. If the file is genuine, save it again with an image editor."
"""What to do about a file that is refused before it is decoded."""

# Passes over all pixels of a JPEG together, and what every JPEG may have: encoders write at most a dozen.
_SCANNED_PIXELS = 2**30
_FEWEST_SCANS, _MOST_SCANS = 16, 256
_TILE_PIXELS = 2**22

_START_OF_SCAN = b"\xff\xda"
_START_WORD, _BLOCK = int.from_bytes(_START_OF_SCAN, "little"), 1 << 20
_PIXELS_PER_SECOND = 40e6
# Images of which each value is a decimal number (PNM), and how fast Pillow reads the shortest of them.
_DECIMAL_STARTS, _DECIMAL_BYTES_PER_SECOND = (b"P1", b"P2", b"P3"), 2e6
# Chunks of a PNG (section 11.3.3 of its specification); a keyword has at most 79 bytes.
_TEXTS, _KEYWORD_BYTES = (b"zTXt", b"iTXt"), 82
# Unpacked a thousandfold at most, in 4 s. ImageMagick keeps EXIF and other profiles of JPEGs there, of which
# some have 64 KiB and more.
_TEXT_BYTES = 1 << 18
# Tags of TIFF 6.0, sections 8, 15 and 22.
_IMAGE_WIDTH, _IMAGE_LENGTH, _COMPRESSION, _JPEG = 256, 257, 259, 7
_STRIP_OFFSETS, _ROWS_PER_STRIP = 273, 278
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _LAST_OF_PIXELS = 322, 323, 324, 325
# Frames of JPEGs; the other three are tables and extensions.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MOST_SEGMENTS = 1 << 20
# Of BigTIFF, for numbers with a sign and places of directories.
_UNKNOWN_TYPES = (17, 18)
# Bytes of a value, by its type (TIFF 6.0, section 2, and BigTIFF).
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_TYPE_BYTES |= {16: 8, 17: 8, 18: 8}


def check_sides(height: int, width: int, name: object) -> None:
    """Refuses an image with a side that is too long.

    Raises:
        DataError: If a side has more than `MAX_SIDE` pixels.
    """
    if max(height, width) > MAX_SIDE:
        raise DataError(
            f"{name}: expected at most {MAX_SIDE:,} pixels a side. Received: {width} x {height} pixels. "
            "Nothing was decoded. If the file is genuine, cut it into parts."
        )


def check_content(image: ImageFile.ImageFile, data: bytes, pixels: int, name: object) -> None:
    """Refuses a file whose content behind the header would take far longer to decode than its pixels do.

    Args:
        image: The opened file, of which no pixels are loaded.
        data: The content of the file.
        pixels: Pixels of the image.
        name: The image's name in an error, usually its path.

    Raises:
        DataError: If a JPEG, also in a TIFF, has more scans than its size may have (16, and of a small image
            up to 256), or a PNG more than 256 KiB of compressed texts.
    """
    if image.format == "PNG":
        _check_texts(data, name)
    else:
        _check_scans(image, data, pixels, name)


def decoding_seconds(image: ImageFile.ImageFile, data: bytes, pixels: int) -> float:
    """Returns about how long an image takes to decode on a slow machine, in seconds.

    Args:
        image: The opened file, of which no pixels are loaded.
        data: The content of the file.
        pixels: Pixels of the image.
    """
    if data.startswith(_DECIMAL_STARTS):
        return len(data) / _DECIMAL_BYTES_PER_SECOND
    return max(1, _most_scans(image, data)) * pixels / _PIXELS_PER_SECOND


def _check_scans(image: ImageFile.ImageFile, data: bytes, pixels: int, name: object) -> None:
    most = max(_FEWEST_SCANS, min(_MOST_SCANS, _SCANNED_PIXELS // max(1, pixels)))
    scans = _most_scans(image, data)
    if scans > most and isinstance(image, JpegImageFile):
        scans = _count_scans(data)  # previews and other data can hold the two bytes as well, but no scan
    if scans > most:
        raise DataError(
            f"{name}: expected a JPEG of at most {most} scans. Received: {scans}, which would take long to "
            f"decode. {REMEDY}"
        )


def _check_texts(data: bytes, name: object) -> None:
    place, total = 8, 0
    while place + 8 <= len(data) and (kind := data[place + 4 : place + 8]) != b"IEND":
        length = int.from_bytes(data[place : place + 4])
        if kind in _TEXTS and _is_compressed(kind, data[place + 8 : place + 8 + min(length, _KEYWORD_BYTES)]):
            total += length
        place += 12 + length
    if total > _TEXT_BYTES:
        raise DataError(
            f"{name}: expected at most {_TEXT_BYTES:,} bytes of compressed text. Received: {total:,}. "
            f"{REMEDY}"
        )


def _is_compressed(kind: bytes, start: bytes) -> bool:
    """Returns whether a chunk of text is compressed; one of kind iTXt has a flag behind its keyword."""
    return kind == b"zTXt" or start.partition(b"\0")[2][:1] != b"\0"


def _most_scans(image: ImageFile.ImageFile, data: bytes) -> int:
    """Returns how many scans are decoded at most; of nearly all files one, without a look at the rest."""
    if isinstance(image, TiffImageFile):
        return _tiff_scans(image, data)
    if not isinstance(image, JpegImageFile):
        return 1
    if image.fp is not None and "progressive" not in image.info:
        # Pillow has just read the header of the first scan. If all colors are in it, decoders read no other.
        header = 6 + 2 * image.layers
        start = image.fp.tell() - header - 2
        begin = _START_OF_SCAN + header.to_bytes(2) + image.layers.to_bytes()
        # A shorter header can follow these bytes at the end of a comment; then its own marker is among them.
        alone = data.rfind(_START_OF_SCAN, start, start + header) == start
        if start > 0 and data.startswith(begin, start) and alone:
            return 1
    return _count_starts(data)


def _tiff_scans(image: TiffImageFile, data: bytes) -> int:
    """Returns how many scans of all pixels a TIFF with JPEGs is decoded in at most; usually 1."""
    tags = image.tag_v2
    if tags.get(_COMPRESSION) != _JPEG:
        return 1
    # One for each strip or tile is usual, and each further one is as large as a strip or tile at most. Where
    # several are at one place, each of them is decoded with all scans of that place.
    offsets = _offsets(tags)
    places = len(set(offsets))
    further = _count_starts(data) - places
    if further <= 0:
        return 1
    height, width = int(tags[_IMAGE_LENGTH]), int(tags[_IMAGE_WIDTH])
    part = int(tags.get(_TILE_LENGTH, 0)) * int(tags.get(_TILE_WIDTH, 0))
    part = part or min(height, int(tags.get(_ROWS_PER_STRIP, height))) * width
    parts = further * (1 + len(offsets) - places)
    return 1 + min(further, -(-parts * part // max(1, height * width)))


def _offsets(tags: Any) -> list[int]:
    """Returns where the strips or tiles of a TIFF begin."""
    values = (tags.get(tag, ()) for tag in (_STRIP_OFFSETS, _TILE_OFFSETS))
    return [int(offset) for value in values for offset in (value if isinstance(value, tuple) else (value,))]


def _count_starts(data: bytes) -> int:
    """Returns how often the marker at the start of a scan is in a file, in a fifth of the time of `count`."""
    count = 0
    for odd in (0, 1):
        words = np.frombuffer(data, "<u2", max(0, len(data) - odd) // 2, odd if data else 0)
        for begin in range(0, len(words), _BLOCK):  # what is compared takes memory
            count += int(np.count_nonzero(words[begin : begin + _BLOCK] == _START_WORD))
    return count


def _count_scans(data: bytes) -> int:
    """Returns the number of scans in a JPEG; other segments are jumped over."""
    scans, place = 0, 2
    while (place := data.find(b"\xff", place)) >= 0 and place + 4 <= len(data):
        marker = data[place + 1]
        if marker == 0xD9:
            break
        # Without a length, or damaged: where an image may be resumed, decoders search behind it for the next.
        if marker < 0xC0 or marker == 0xFF or 0xD0 <= marker <= 0xD8:
            place += 1 if marker == 0xFF else 2
            continue
        scans += marker == _START_OF_SCAN[1]
        place += 2 + max(2, int.from_bytes(data[place + 2 : place + 4]))
    return scans


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
            if kind in _UNKNOWN_TYPES and _IMAGE_WIDTH <= number <= _LAST_OF_PIXELS:
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
    height, width = int(tags.get(_TILE_LENGTH, 0)), int(tags.get(_TILE_WIDTH, 0))
    if height * width > max(_TILE_PIXELS, 2 * pixels):
        raise DataError(
            f"{name}: expected tiles of the image's size at most. Received: tiles of {width} x {height} "
            f"pixels. {REMEDY}"
        )
    if tags.get(_COMPRESSION) == _JPEG:
        _check_frames(image, _offsets(tags), pixels, name)


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
