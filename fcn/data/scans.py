"""Scans of JPEGs, also of those in TIFFs: each is a pass over all pixels, which a few bytes can ask for."""

from typing import Any

import numpy as np
from PIL import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import (
    COMPRESSION,
    IMAGELENGTH,
    IMAGEWIDTH,
    ROWSPERSTRIP,
    STRIPOFFSETS,
    TILELENGTH,
    TILEOFFSETS,
    TILEWIDTH,
    TiffImageFile,
)

JPEG_IN_TIFF = 7
"""The compression of a TIFF whose strips or tiles are JPEGs (TIFF Technical Note 2)."""

_START_OF_SCAN = b"\xff\xda"
_START_WORD, _BLOCK = int.from_bytes(_START_OF_SCAN, "little"), 1 << 20


def most_scans(image: ImageFile.ImageFile, data: bytes) -> int:
    """Returns how many scans are decoded at most; of nearly all files one, without a look at the rest.

    Args:
        image: The opened file, of which no pixels are loaded.
        data: The content of the file.
    """
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
    if tags.get(COMPRESSION) != JPEG_IN_TIFF:
        return 1
    # One for each strip or tile is usual, and each further one is as large as a strip or tile at most. Where
    # several are at one place, each of them is decoded with all scans of that place.
    offsets = part_offsets(tags)
    places = len(set(offsets))
    further = _count_starts(data) - places
    if further <= 0:
        return 1
    height, width = int(tags[IMAGELENGTH]), int(tags[IMAGEWIDTH])
    part = int(tags.get(TILELENGTH, 0)) * int(tags.get(TILEWIDTH, 0))
    part = part or min(height, int(tags.get(ROWSPERSTRIP, height))) * width
    parts = further * (1 + len(offsets) - places)
    return 1 + min(further, -(-parts * part // max(1, height * width)))


def part_offsets(tags: Any) -> list[int]:
    """Returns where the strips or tiles of a TIFF begin."""
    values = (tags.get(tag, ()) for tag in (STRIPOFFSETS, TILEOFFSETS))
    return [int(offset) for value in values for offset in (value if isinstance(value, tuple) else (value,))]


def count_scans(data: bytes) -> int:
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


def _count_starts(data: bytes) -> int:
    """Returns how often the marker at the start of a scan is in a file, in a fifth of the time of `count`."""
    count = 0
    for odd in (0, 1):
        words = np.frombuffer(data, "<u2", max(0, len(data) - odd) // 2, odd if data else 0)
        for begin in range(0, len(words), _BLOCK):  # what is compared takes memory
            count += int(np.count_nonzero(words[begin : begin + _BLOCK] == _START_WORD))
    return count
