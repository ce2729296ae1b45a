"""Codestreams of JPEG 2000, read before their pixels are decoded: how many bits, and what they ask for.

A few bytes can ask for tiles, precincts, code-blocks and layers that take gigabytes, although nothing is in
them. Markers and fields are those of ISO/IEC 15444-1, annex A.
"""

import struct
from typing import IO, NamedTuple

from fcn.data.image_bounds import REMEDY
from fcn.errors import DataError

_SOC, _SIZ, _COD, _COC, _SOT, _SOD, _EOC = 0xFF4F, 0xFF51, 0xFF52, 0xFF53, 0xFF90, 0xFF93, 0xFFD9
_MAX_BOXES, _MAX_SEGMENTS, _MAX_TILE_PARTS = 4096, 4096, 1 << 17
_MAX_COMPONENTS, _MAX_LAYERS = 4, 256
# OpenJPEG reserves some kilobytes for a tile, some hundred bytes for a precinct or a code-block, and two
# bytes for each layer of each precinct. With these bounds that is a few bytes a pixel.
_TILE_PIXELS, _FEW_TILES = 1 << 12, 256
_PRECINCT_BITS, _BLOCK_BITS = 10, 8
_LAYERED_PRECINCTS = 1 << 26
_LARGEST_PRECINCT = 15


class Codestream(NamedTuple):
    """The header of a codestream.

    Attributes:
        height: Rows.
        width: Columns.
        bits: Most bits of a component's values.
        components: Bands.
        tiles: Number of tiles.
    """

    height: int
    width: int
    bits: int
    components: int
    tiles: int


def read_codestream(file: IO[bytes]) -> Codestream:
    """Reads the header of a JPEG 2000 file; leaves the file where it was.

    Raises:
        ValueError: If it is damaged.
    """
    before = file.tell()
    try:
        _find_codestream(file)
        return _read_size(file)
    except struct.error as error:
        raise ValueError("its header ends too early") from error
    finally:
        file.seek(before)


def check_codestream(file: IO[bytes], size: tuple[int, int], name: object) -> None:
    """Refuses a JPEG 2000 that asks for far more memory than its pixels need.

    Args:
        file: The file; it is left where it was.
        size: (height, width) of the image.
        name: The image's name in an error, usually its path.

    Raises:
        DataError: If it is such a file.
        ValueError: If it is damaged.
    """
    before = file.tell()
    try:
        _find_codestream(file)
        stream = _read_size(file)
        if (stream.height, stream.width) != size:
            raise ValueError("its two headers state different sizes")
        if not 1 <= stream.components <= _MAX_COMPONENTS:
            raise DataError(
                f"{name}: expected at most {_MAX_COMPONENTS} bands. Received: {stream.components}. Nets here "
                "see red, green and blue: save these as an RGB image."
            )
        most = max(_FEW_TILES, stream.height * stream.width // _TILE_PIXELS)
        if stream.tiles > most:
            raise DataError(f"{name}: expected at most {most} tiles. Received: {stream.tiles}. {REMEDY}")
        for coding in _codings(file):
            _check_coding(coding, stream, name)
    except struct.error as error:
        raise ValueError("it ends too early") from error
    finally:
        file.seek(before)


class _Coding(NamedTuple):
    """How components are coded.

    Attributes:
        layers: Quality layers; None of a segment for one component.
        levels: How often the size is halved.
        block: Exponents of the size of a code-block, height and width together.
        precincts: Exponents of the sizes of precincts, likewise, from the smallest resolution on.
    """

    layers: int | None
    levels: int
    block: int
    precincts: list[int]


def _find_codestream(file: IO[bytes]) -> None:
    """Moves to the marker at the beginning of the codestream.

    Raises:
        ValueError: If there is none.
    """
    file.seek(0)
    if file.read(2) == struct.pack(">H", _SOC):
        file.seek(0)
        return
    place = 0
    for _ in range(_MAX_BOXES):
        file.seek(place)
        length, kind = struct.unpack(">I4s", file.read(8))
        header = 8
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
            header = 16
        if kind == b"jp2c":
            return
        if length < header:  # 0: to the end of the file
            break
        place += length
    raise ValueError("it has no codestream")


def _read_size(file: IO[bytes]) -> Codestream:
    """Reads the first two markers, and leaves the file behind them."""
    start, size, length = struct.unpack(">HHH", file.read(6))
    if (start, size) != (_SOC, _SIZ) or length < 38:
        raise ValueError("its codestream does not begin with a size")
    segment = file.read(length - 2)
    _, *fields, components = struct.unpack_from(">HIIIIIIIIH", segment)
    x1, y1, x0, y0, tile_x, tile_y, tile_x0, tile_y0 = fields
    if not (x1 > x0 and y1 > y0 and tile_x and tile_y and tile_x0 <= x0 and tile_y0 <= y0):
        raise ValueError("its codestream has no pixels")
    bits = [(depth & 0x7F) + 1 for depth in segment[36::3][:components]]
    if not bits:
        raise ValueError("its codestream has no bands")
    tiles = -(-(x1 - tile_x0) // tile_x) * -(-(y1 - tile_y0) // tile_y)
    return Codestream(y1 - y0, x1 - x0, max(bits), components, tiles)


def _codings(file: IO[bytes]) -> list[_Coding]:
    """Returns the different codings that the main header and those of the tiles state.

    Raises:
        ValueError: If there are very many segments.
    """
    found: dict[tuple[object, ...], _Coding] = {}
    segments = parts = 0
    begin = end = 0  # of a tile-part
    while True:
        place = file.tell()
        marker = file.read(2)
        if len(marker) < 2 or marker == struct.pack(">H", _EOC):
            break
        (kind,) = struct.unpack(">H", marker)
        if kind == _SOD:
            if end <= begin:  # the last one, of unstated length
                break
            file.seek(end)
            continue
        (length,) = struct.unpack(">H", file.read(2))
        segment = file.read(length - 2) if length >= 2 else b""
        if kind == _SOT:
            parts, segments = parts + 1, 0
            _, part_length = struct.unpack_from(">HI", segment)
            begin, end = place, place + part_length
        elif kind in (_COD, _COC):
            coding = _read_coding(segment, kind == _COC)
            found[(coding.layers, coding.levels, coding.block, *coding.precincts)] = coding
        segments += 1
        if segments > _MAX_SEGMENTS or parts > _MAX_TILE_PARTS or len(found) > _MAX_SEGMENTS:
            raise ValueError("it has very many markers")
    return [*found.values()]


def _read_coding(segment: bytes, of_component: bool) -> _Coding:
    layers: int | None = None
    if of_component:  # its number has one byte, since there are few
        given, rest = segment[1] if len(segment) > 1 else 0, segment[2:]
    else:
        given, _, layers, _ = struct.unpack_from(">BBHB", segment)
        rest = segment[5:]
    levels, block_width, block_height, _, _ = struct.unpack_from(">BBBBB", rest)
    sizes = rest[5 : 5 + levels + 1] if given & 1 else b""
    precincts = [(size & 15) + (size >> 4) for size in sizes]
    block = (block_width & 15) + (block_height & 15) + 4
    return _Coding(layers, levels, block, precincts or [2 * _LARGEST_PRECINCT] * (levels + 1))


def _check_coding(coding: _Coding, stream: Codestream, name: object) -> None:
    if coding.block < _BLOCK_BITS:
        raise DataError(
            f"{name}: expected code-blocks of at least {1 << _BLOCK_BITS} pixels. "
            f"Received: {1 << coding.block}. {REMEDY}"
        )
    for level, exponents in enumerate(reversed(coding.precincts)):
        if exponents < _PRECINCT_BITS - 2 * level:
            raise DataError(
                f"{name}: expected precincts of at least {1 << max(0, _PRECINCT_BITS - 2 * level)} pixels. "
                f"Received: {1 << exponents}. {REMEDY}"
            )
    pixels = stream.height * stream.width
    precincts = sum(
        stream.tiles + (pixels >> min(63, exponents + 2 * level))
        for level, exponents in enumerate(reversed(coding.precincts))
    )
    layers = coding.layers or 1
    if layers > _MAX_LAYERS or layers * precincts * stream.components > _LAYERED_PRECINCTS:
        raise DataError(f"{name}: expected fewer layers of quality. Received: {layers}. {REMEDY}")
