"""Writes image files without metadata: positions, cameras, thumbnails, comments. The pixels stay the same.

JPEG (ITU-T T.81, annex B), PNG (W3C, third edition) and WebP (RFC 9649) keep metadata in parts of their own.
These are left out, and what decodes the pixels is copied as it is. Of EXIF only the orientation is written
again: without it the picture would lie on its side.
"""

import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from fcn.data.image_forms import START_BYTES, find_form
from fcn.data.image_header import open_header
from fcn.data.orientation import orientation_of
from fcn.errors import DataError
from fcn.system.files import unreadable

_MARKER = re.compile(rb"\xff+([^\x00\xff])")
# Decoders pass over lower markers within a scan, and go on at the next restart marker (0xD0 to 0xD7).
_END_OF_SCAN = re.compile(rb"\xff+[\xc0-\xcf\xd8-\xfe]")
_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_APP0, _APP1, _APP2, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
# What follows in a segment of JFIF is a thumbnail; a reader needs its size, 0 x 0.
_JFIF_BYTES, _NO_THUMBNAIL = 12, b"\0\0"
_ADOBE_BYTES = 12

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset(
    b"acTL bKGD cHRM cICP cLLI fcTL fdAT gAMA hIST iCCP mDCV pHYs sBIT sPLT sRGB tRNS".split()
)
_PNG_ANCILLARY = 0x20

_WEBP_KEPT = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP", b"ANIM", b"ANMF"})
_WEBP_HAS_EXIF, _WEBP_HAS_XMP = 0x08, 0x04

_SHOWN = 5


def strip_metadata(data: bytes, name: object) -> bytes:
    """Returns an image file that decodes to the same pixels, as upright as before, without metadata.

    What is behind the picture, such as a preview, a gain map or the video of a moving photo, is metadata too.
    The color profile is kept.

    Args:
        data: The content of an image file.
        name: The image's name in an error, usually its path.

    Raises:
        DataError: If it is damaged, or in a form in which metadata cannot be told from pixels.
    """
    strip = _strip_of(data[:START_BYTES], name)
    orientation = orientation_of(open_header(data, name))
    try:
        return strip(data, _exif_block(orientation) if orientation != 1 else b"")
    except (ValueError, IndexError) as error:
        raise DataError(
            f"{name}: is damaged ({error}), so that its metadata cannot be removed. Save it again, or take "
            "it out."
        ) from error


def check_strippable(images: list[Path | bytes]) -> None:
    """Checks that metadata can be removed from images, by their first bytes.

    Args:
        images: Paths or contents of image files.

    Raises:
        DataError: If that is not so; says of how many, and names some.
    """
    problems = []
    for image in images:
        try:
            _strip_of(_read_start(image), image if isinstance(image, Path) else "embedded image")
        except DataError as error:
            problems.append(str(error))
    if problems:
        more = [f"... and {len(problems) - _SHOWN:,} more"] if len(problems) > _SHOWN else []
        raise DataError(*problems[:_SHOWN], *more)


def _read_start(image: Path | bytes) -> bytes:
    if isinstance(image, bytes):
        return image[:START_BYTES]
    try:
        with image.open("rb") as file:
            return file.read(START_BYTES)
    except OSError as error:
        raise DataError(f"{image}: {unreadable(error)}") from error


def _strip_of(start: bytes, name: object) -> Callable[[bytes, bytes], bytes]:
    """Returns what removes the metadata of a file that begins in this way.

    Raises:
        DataError: If nothing does.
    """
    form = find_form(start)
    known = "not an image" if form is None else form.name
    if known not in _STRIPS:
        raise DataError(
            f"{name}: is {known}, and --strip-metadata can remove metadata only from "
            f"{', '.join(_STRIPS)}. Save it as a PNG or JPEG, or leave the option out."
        )
    return _STRIPS[known]


def _exif_block(orientation: int) -> bytes:
    """Returns EXIF with one tag, the orientation."""
    return b"MM\0*" + struct.pack(">LHHHLHHL", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def _strip_jpeg(data: bytes, exif: bytes) -> bytes:
    pieces = [data[:2]]
    place = 2
    while found := _MARKER.search(data, place):
        marker, place = found[1][0], found.end()
        if marker in _WITHOUT_LENGTH:
            continue
        if marker == _EOI:
            pieces.append(b"\xff\xd9")
            break
        if marker == _SOI:
            raise ValueError("it begins twice")
        length = int.from_bytes(data[place : place + 2])
        content = data[place + 2 : place + length]
        place += length
        if length < 2 or place > len(data):
            raise ValueError("a segment is truncated")
        content_kept = _kept_of_segment(marker, content)
        if content_kept is not None:
            pieces.append(_jpeg_segment(marker, content_kept))
        if marker == _SOS:
            end = _END_OF_SCAN.search(data, place)
            stop = len(data) if end is None else end.start()
            pieces.append(data[place:stop])
            place = stop
    if exif:
        has_jfif = len(pieces) > 1 and pieces[1].startswith(b"\xff\xe0")
        pieces.insert(2 if has_jfif else 1, _jpeg_segment(_APP1, b"Exif\0\0" + exif))
    return b"".join(pieces)


def _jpeg_segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _kept_of_segment(marker: int, content: bytes) -> bytes | None:
    """Returns what is kept of the content of a segment; None if all of it is metadata."""
    if marker == _APP0 and content.startswith(b"JFIF\0") and len(content) >= _JFIF_BYTES + 2:
        return content[:_JFIF_BYTES] + _NO_THUMBNAIL
    if marker == _APP2 and content.startswith(b"ICC_PROFILE\0"):
        return content
    if marker == _APP14 and content.startswith(b"Adobe"):
        return content[:_ADOBE_BYTES]
    return None if _APP0 <= marker <= _APP15 or marker == _COM else content


def _strip_png(data: bytes, exif: bytes) -> bytes:
    pieces = [_PNG_START]
    place, kind = len(_PNG_START), b""
    while kind != b"IEND":
        length, kind = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        end = place + 12 + length
        if end > len(data):
            raise ValueError("a chunk is truncated")
        if kind in _PNG_KEPT or not kind[0] & _PNG_ANCILLARY:
            pieces.append(data[place:end])
        if kind == b"IHDR" and exif:
            checksum = zlib.crc32(b"eXIf" + exif)
            pieces.append(struct.pack(">L4s", len(exif), b"eXIf") + exif + struct.pack(">L", checksum))
        place = end
    return b"".join(pieces)


def _strip_webp(data: bytes, exif: bytes) -> bytes:
    pieces = []
    place, stop = 12, 8 + int.from_bytes(data[4:8], "little")
    while place + 8 <= min(stop, len(data)):
        kind, length = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        end = place + 8 + length
        if end > len(data):
            raise ValueError("a chunk is truncated")
        if kind in _WEBP_KEPT:
            pieces.append(_webp_chunk(kind, data[place + 8 : end]))
        place = end + length % 2
    if pieces and pieces[0].startswith(b"VP8X"):
        flags = pieces[0][8] & ~(_WEBP_HAS_EXIF | _WEBP_HAS_XMP) | (_WEBP_HAS_EXIF if exif else 0)
        pieces[0] = pieces[0][:8] + bytes([flags]) + pieces[0][9:]
        pieces += [_webp_chunk(b"EXIF", exif)] if exif else []
    content = b"WEBP" + b"".join(pieces)
    return b"RIFF" + struct.pack("<L", len(content)) + content


def _webp_chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<L", len(content)) + content + b"\0" * (len(content) % 2)


def _copy(data: bytes, _: bytes) -> bytes:
    return data


_STRIPS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "JPEG": _strip_jpeg,
    "PNG": _strip_png,
    "WebP": _strip_webp,
    "BMP": _copy,  # has no place for metadata
}
