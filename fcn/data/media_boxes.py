"""Boxes of AVIF and HEIC files, read before their pixels are decoded: sizes of all parts, and grids of tiles.

A few bytes can ask for a grid of 65,536 tiles that all are one large picture, or for parts that are far
larger than the image. Boxes and fields are those of ISO/IEC 14496-12 and 23008-12.
"""

import os
import struct
from collections.abc import Iterator
from io import BytesIO
from typing import IO, NamedTuple

from fcn.data.image_bounds import REMEDY
from fcn.errors import DataError

_MAX_BOXES, _MAX_BYTES = 1 << 17, 1 << 24
_MAX_SIDE, _MAX_PIXELS = 1 << 20, 1 << 28
_MAX_PARTS = 1 << 16
# Tiles at the right and at the bottom may be cut off, which is at most three images more.
_TILED_PIXELS, _FEW_PIXELS = 4, 1 << 22
# Kinds of references between parts: "content describes", and one that means nothing.
_DESCRIBES, _NOTHING = b"cdsc", b"free"


class _Parts(NamedTuple):
    """The content of the boxes.

    Attributes:
        number: How many there are.
        sizes: (height, width)s that any part has.
        size_of: Size of each part.
        tiles_of: Parts that each grid or overlay is made of.
    """

    number: int
    sizes: list[tuple[int, int]]
    size_of: dict[int, tuple[int, int]]
    tiles_of: dict[int, list[int]]


def without_descriptions(data: bytes) -> bytes:
    """Returns an AVIF or HEIC in which no part describes the image, so that its decoder reads no metadata.

    libheif 1.23 crashes on some that are damaged. What turns the image is not metadata in this sense.

    Args:
        data: The content of the file; it is returned unchanged if there are none.
    """
    place = _find_meta(BytesIO(data))
    if place is None:
        return data
    changed = bytearray(data)
    begin, end = place
    while (begin := changed.find(_DESCRIBES, begin, end)) >= 0:
        changed[begin : begin + len(_DESCRIBES)] = _NOTHING
    return bytes(changed)


def check_boxes(file: IO[bytes], name: object) -> None:
    """Refuses an AVIF or HEIC that has very many parts, or parts much larger than an image.

    What is damaged otherwise is left for the decoder to refuse.

    Args:
        file: The file; it is left at its beginning.
        name: The image's name in an error, usually its path.

    Raises:
        DataError: If a part has too many pixels, a grid has far more than its image, or there are very many.
    """
    file.seek(0)
    try:
        parts = _read_parts(_read_meta(file))
    except (struct.error, IndexError):
        return
    except ValueError as error:
        raise DataError(f"{name}: expected fewer boxes ({error}). {REMEDY}") from error
    finally:
        file.seek(0)
    if parts.number > _MAX_PARTS:
        raise DataError(f"{name}: expected at most {_MAX_PARTS} parts. Received: {parts.number}. {REMEDY}")
    for height, width in parts.sizes:
        if max(height, width) > _MAX_SIDE or height * width > _MAX_PIXELS:
            raise DataError(
                f"{name}: expected at most {_MAX_PIXELS} pixels. Received: {width} x {height} pixels. "
                "Nothing was decoded. If the file is genuine, cut it into parts."
            )
    for grid, tiles in parts.tiles_of.items():
        _check_grid(grid, tiles, parts, name)


def _check_grid(grid: int, tiles: list[int], parts: _Parts, name: object) -> None:
    height, width = parts.size_of.get(grid, (0, 0))
    tiled = sum(rows * columns for rows, columns in (parts.size_of.get(tile, (0, 0)) for tile in tiles))
    most = max(_FEW_PIXELS, _TILED_PIXELS * height * width)
    if tiled > most:
        raise DataError(
            f"{name}: expected tiles of at most {most} pixels together, for an image of {width} x {height}. "
            f"Received: {len(tiles)} tiles of {tiled} pixels. {REMEDY}"
        )
    if any(tile == grid or tile in parts.tiles_of for tile in tiles):
        raise DataError(f"{name}: expected a grid of images. Received: a grid of grids. {REMEDY}")


def _read_meta(file: IO[bytes]) -> bytes:
    """Returns the content of the box with the description of the parts; empty without one.

    Raises:
        ValueError: If it is very long, or there are very many boxes.
    """
    place = _find_meta(file)
    if place is None:
        return b""
    begin, end = place
    if end - begin > _MAX_BYTES:
        raise ValueError(f"{end - begin} bytes of them")
    file.seek(begin)
    return file.read(end - begin)


def _find_meta(file: IO[bytes]) -> tuple[int, int] | None:
    """Returns where the content of that box begins and ends; None without one.

    Raises:
        ValueError: If there are very many boxes.
    """
    size = file.seek(0, os.SEEK_END)
    place = 0
    for _ in range(_MAX_BOXES):
        file.seek(place)
        header = file.read(16)
        if len(header) < 8:
            return None
        length, kind = struct.unpack_from(">I4s", header)
        begin = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", header, 8)
            begin = 16
        if kind == b"meta":
            return place + begin, min(place + length if length else size, size)
        if length < begin:
            return None
        place += length
    raise ValueError(f"more than {_MAX_BOXES}")


def _boxes(data: bytes, place: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Yields kind and content of each box.

    Raises:
        ValueError: If there are very many.
    """
    for _ in range(_MAX_BOXES):
        if place + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, place)
        begin = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, place + 8)
            begin = 16
        end = place + length if length else len(data)
        if end < place + begin:
            return
        yield kind, data[place + begin : end]
        place = end
    raise ValueError(f"more than {_MAX_BOXES}")


def _read_parts(meta: bytes) -> _Parts:
    count = 0
    sizes: list[tuple[int, int]] = []
    size_of: dict[int, tuple[int, int]] = {}
    tiles_of: dict[int, list[int]] = {}
    for kind, content in _boxes(meta, 4):  # behind version and flags
        if kind == b"iinf":
            (count,) = struct.unpack_from(">I" if content[0] else ">H", content, 4)
        elif kind == b"iref":
            _read_references(content, tiles_of)
        elif kind == b"iprp":
            sizes, size_of = _read_properties(content)
    return _Parts(count, sizes, size_of, tiles_of)


def _read_references(content: bytes, tiles_of: dict[int, list[int]]) -> None:
    code = "I" if content[0] else "H"
    step = struct.calcsize(code)
    for kind, reference in _boxes(content, 4):
        if kind == b"dimg":  # what an image is derived from
            source, count = struct.unpack_from(f">{code}H", reference)
            tiles_of.setdefault(source, []).extend(struct.unpack_from(f">{count}{code}", reference, step + 2))


def _read_properties(content: bytes) -> tuple[list[tuple[int, int]], dict[int, tuple[int, int]]]:
    """Returns all sizes, and the one of each part."""
    properties: list[tuple[int, int] | None] = []
    size_of: dict[int, tuple[int, int]] = {}
    for kind, box in _boxes(content):
        if kind == b"ipco":
            for inner, value in _boxes(box):
                size = None
                if inner == b"ispe":
                    width, height = struct.unpack_from(">II", value, 4)
                    size = (height, width)
                properties.append(size)
        elif kind == b"ipma":
            _read_associations(box, properties, size_of)
    return [size for size in properties if size is not None], size_of


def _read_associations(
    box: bytes, properties: list[tuple[int, int] | None], size_of: dict[int, tuple[int, int]]
) -> None:
    identifier, wide = "I" if box[0] else "H", bool(box[3] & 1)
    (count,) = struct.unpack_from(">I", box, 4)
    place, step = 8, struct.calcsize(identifier)
    for _ in range(count):
        part, associations = struct.unpack_from(f">{identifier}B", box, place)
        place += step + 1
        for _ in range(associations):
            number = (box[place] << 8 | box[place + 1]) & 0x7FFF if wide else box[place] & 0x7F
            place += 1 + wide
            size = properties[number - 1] if 0 < number <= len(properties) else None
            if size is not None:
                size_of[part] = size
