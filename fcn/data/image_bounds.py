"""Bounds of image files, checked before their pixels are decoded: what a few bytes may ask for.

A file of some hundred kilobytes can name tags that take seconds to read, tiles that take gigabytes, and scans
that take minutes, although its image is small. Each check refuses such a file and names the cause.
"""

from PIL import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from fcn.data.scans import count_scans, most_scans
from fcn.errors import DataError

MAX_SIDE = 2**20
"""Rows or columns of an image at most, as in OpenCV."""

REMEDY = "Nothing was decoded. If the file is genuine, save it again with an image editor."
"""What to do about a file that is refused before it is decoded."""

# Passes over all pixels of a JPEG together, and what every JPEG may have: encoders write at most a dozen.
_SCANNED_PIXELS = 2**30
_FEWEST_SCANS, _MOST_SCANS = 16, 256
_PIXELS_PER_SECOND = 40e6
# Images of which each value is a decimal number (PNM), and how fast Pillow reads the shortest of them.
_DECIMAL_STARTS, _DECIMAL_BYTES_PER_SECOND = (b"P1", b"P2", b"P3"), 2e6
# Chunks of a PNG (section 11.3.3 of its specification); a keyword has at most 79 bytes.
_TEXTS, _KEYWORD_BYTES = (b"zTXt", b"iTXt"), 82
# Unpacked a thousandfold at most, in 4 s. ImageMagick keeps EXIF and other profiles of JPEGs there, of which
# some have 64 KiB and more.
_TEXT_BYTES = 1 << 18


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
    return max(1, most_scans(image, data)) * pixels / _PIXELS_PER_SECOND


def _check_scans(image: ImageFile.ImageFile, data: bytes, pixels: int, name: object) -> None:
    most = max(_FEWEST_SCANS, min(_MOST_SCANS, _SCANNED_PIXELS // max(1, pixels)))
    scans = most_scans(image, data)
    if scans > most and isinstance(image, JpegImageFile):
        scans = count_scans(data)  # previews and other data can hold the two bytes as well, but no scan
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
