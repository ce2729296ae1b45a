"""EXIF orientation: how stored pixels become upright, as the person who took the image saw it.

The orientation is what Pillow reads in JPEG, PNG, WebP, AVIF and TIFF, from EXIF or, where that has none,
from XMP. `fcn.exports.orientation` reads it inside a graph.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngImageFile

from fcn.data.image_header import PILLOW_ERRORS, open_header, reading_header, stored_size
from fcn.errors import DataError

Pixels = npt.NDArray[np.uint8]
Value = TypeVar("Value", np.uint8, np.int32)

# By the value of the EXIF tag Orientation (EXIF 2.3, 4.6.4).
_TURNS: dict[int, Callable[[Any], Any]] = {
    2: lambda pixels: cv2.flip(pixels, 1),
    3: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_180),
    4: lambda pixels: cv2.flip(pixels, 0),
    5: cv2.transpose,
    6: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE),
    7: lambda pixels: cv2.flip(cv2.transpose(pixels), -1),
    8: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE),
}
_TURNED_BACK = {6: 8, 8: 6}
_FIRST_SIDEWAYS = 5
# The signature of a PNG and its first chunk, IHDR.
_PNG_START = 33
_PNG_TEXTS = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
"""Keywords of the texts in which Pillow finds an orientation."""


def upright(pixels: npt.NDArray[Value], orientation: int) -> npt.NDArray[Value]:
    """Turns an image or a label from stored order upright; what is upright already is not copied.

    Args:
        pixels: `uint8[H, W]`, `uint8[H, W, 3]` or `int32[H, W]`.
        orientation: EXIF orientation, 1 to 8.

    Example:
        >>> upright(np.array([[1, 2]], np.uint8), 6).tolist()
        [[1], [2]]
    """
    turn = _TURNS.get(orientation)
    return pixels if turn is None else np.asarray(turn(pixels), pixels.dtype)


def turned_back(orientation: int) -> int:
    """Returns the orientation with which `upright` undoes another one.

    Example:
        >>> pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
        >>> upright(upright(pixels, 6), turned_back(6)).tolist()
        [[0, 1, 2], [3, 4, 5]]
    """
    return _TURNED_BACK.get(orientation, orientation)


def orientation_of(image: ImageFile) -> int:
    """Returns the orientation of an opened image, 1 to 8; 1 if it has none or a damaged one.

    No pixels are decoded.
    """
    try:
        if isinstance(image, PngImageFile) and "exif" not in image.info:
            image.info |= _info_after_pixels(image)
        # Not that of the class: of a PNG without EXIF it would decode all pixels, since EXIF may come after.
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
        return int(value) if value in _TURNS else 1
    except PILLOW_ERRORS:
        return 1


def upright_size(image: ImageFile) -> tuple[int, int]:
    """Returns (height, width) that the pixels of an opened image have when they are upright."""
    return turned_size(stored_size(image), orientation_of(image))


def turned_size(stored: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Returns (height, width) of upright pixels.

    Args:
        stored: (height, width) in stored pixel order.
        orientation: EXIF orientation, 1 to 8.

    Example:
        >>> turned_size((2, 3), 3), turned_size((2, 3), 6)
        ((2, 3), (3, 2))
    """
    height, width = stored
    return (width, height) if is_sideways(orientation) else stored


def is_sideways(orientation: int) -> bool:
    """Returns whether an orientation makes height of width.

    Example:
        >>> is_sideways(3), is_sideways(6)
        (False, True)
    """
    return orientation >= _FIRST_SIDEWAYS


def check_unturned(image: ImageFile, path: Path) -> None:
    """Refuses a label that has an EXIF orientation itself: tools disagree on which side of it is up.

    Args:
        image: The opened label; no pixels are decoded.
        path: The file, for the error.

    Raises:
        DataError: If it has one.
    """
    orientation = orientation_of(image)
    if orientation != 1:
        raise DataError(
            f"{path}: is a label with an EXIF orientation of its own ({orientation}), probably that of its "
            "image, so it is not certain which side is up. Remove it from the label, and turn the label "
            "upright if it is not."
        )


def exif_orientation(data: bytes) -> int:
    """Returns the orientation of an image file's content, 1 to 8; 1 if it has none or is not an image."""
    try:
        return orientation_of(open_header(data, "image"))
    except DataError:
        return 1


def read_orientation(path: Path) -> int:
    """Returns the orientation of an image file, 1 to 8, from its header.

    Raises:
        DataError: If the file cannot be read or is not an image.
    """
    with reading_header(path) as header:
        return orientation_of(header)


def _info_after_pixels(image: PngImageFile) -> dict[str | tuple[int, int], Any]:
    """Returns what Pillow reads from the chunks after a PNG's pixels that may hold an orientation."""
    file = image.fp
    if file is None or not image.tile:
        return {}
    chunks = b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in _metadata_chunks(file, image.tile[0].offset - 8)
    )
    if not chunks:
        return {}
    file.seek(0)
    # Without pixels: Pillow stops at them.
    return PngImageFile(BytesIO(file.read(_PNG_START) + chunks + b"\0\0\0\0IDAT")).info


def _metadata_chunks(file: IO[bytes], position: int) -> Iterator[tuple[bytes, bytes]]:
    """Yields the kind and content of the chunks from a position on that may hold an orientation."""
    while True:
        file.seek(position)
        start = file.read(8)
        length, kind = int.from_bytes(start[:4]), start[4:]
        if len(start) < 8 or kind == b"IEND" or not kind.isalnum():
            return
        if kind == b"eXIf" or (kind in (b"tEXt", b"zTXt", b"iTXt") and file.read(22).startswith(_PNG_TEXTS)):
            file.seek(position + 8)
            yield kind, file.read(length)
        position += length + 12
