"""The closer look at each image and label that only `fcn data check` takes."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile

from fcn.classes import VOID
from fcn.data.image_header import PILLOW_ERRORS, open_header, read_image_file
from fcn.data.image_io import Pixels
from fcn.data.orientation import orientation_of
from fcn.data.pillow_decoding import stored_bits
from fcn.data.split_list import Example

_PNG = b"\x89PNG\r\n\x1a\n"
_DEPTHS = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I;16N": 16, "I": 32, "F": 32}
_MODES = {"1": "gray", "L": "gray", "LA": "gray and alpha", "P": "palette", "I": "gray", "F": "gray"}
_POSITION = (ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLongitude)
_XMP_POSITION = "GPSLatitude"
# What precedes a block of EXIF in HEIC (ISO/IEC 23008-12, annex A): its place, and mostly a word.
_EXIF_IN_BOXES = re.compile(rb"(?:Exif\0\0|\0\0\0\0)(?=II\*\0|MM\0\*)")
_LONGEST_EXIF, _MOST_BLOCKS = 1 << 20, 16


class SmallObject(NamedTuple):
    """The smallest connected region of a class in a label.

    Attributes:
        class_id: The class.
        pixels: Its area.
        box: (top, left, height, width).
    """

    class_id: int
    pixels: int
    box: tuple[int, int, int, int]


class Seen(NamedTuple):
    """The findings of the closer look.

    Attributes:
        form: Format, channels and bits a channel, as in "JPEG, RGB, 8 bits".
        orientation: EXIF orientation, 1 to 8.
        has_position: Whether the image holds the position of the camera (GPS).
        smallest: The smallest region of each class, without class 0 and void.
    """

    form: str
    orientation: int
    has_position: bool
    smallest: tuple[SmallObject, ...]


def look_closely(example: Example, label: Pixels) -> Seen:
    """Reads the header of an image, and finds the smallest objects in its label.

    Args:
        example: The image and its label.
        label: `uint8[H, W]`, class ids, 255 = void.

    Raises:
        DataError: If the image can no longer be read.
    """
    data = read_image_file(example.image_path)
    header = open_header(data, example.image_path)
    form, orientation = _form(header, data), orientation_of(header)
    return Seen(form, orientation, has_position(header, data), tuple(smallest_objects(label)))


def smallest_objects(label: Pixels) -> Sequence[SmallObject]:
    """Returns the smallest connected region of each class that occurs, without class 0 and void.

    Args:
        label: `uint8[H, W]`.

    Example:
        >>> smallest_objects(np.array([[0, 2, 2], [2, 0, 0], [0, 0, 2]], np.uint8))
        [SmallObject(class_id=2, pixels=1, box=(2, 2, 1, 1))]
    """
    found = []
    for class_id in np.flatnonzero(np.bincount(label.ravel(), minlength=256)).tolist():
        if class_id in (0, VOID):
            continue
        mask = (label == class_id).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        left, top, width, height, area = stats[1:][stats[1:, cv2.CC_STAT_AREA].argmin()].tolist()
        found.append(SmallObject(class_id, area, (top, left, height, width)))
    return found


def has_position(header: ImageFile, data: bytes) -> bool:
    """Returns whether an image file tells where it was taken, in EXIF or XMP; no pixels are decoded.

    Args:
        header: The opened image; its orientation has been read.
        data: The content of the file.
    """
    texts = (value for value in header.info.values() if isinstance(value, str))
    if _XMP_POSITION.encode() in data or any(_XMP_POSITION in text for text in texts):
        return True
    # Not that of the class, as in `orientation_of`.
    if _tells_position(lambda: Image.Image.getexif(header)):
        return True
    # The metadata of HEIC are not given to its decoder.
    found = _EXIF_IN_BOXES.finditer(data) if data[4:8] == b"ftyp" else iter(())
    starts = [one.end() for one in islice(found, _MOST_BLOCKS)]
    return any(_tells_position(partial(_parse_exif, data[start : start + _LONGEST_EXIF])) for start in starts)


def _parse_exif(block: bytes) -> Image.Exif:
    exif = Image.Exif()
    exif.load(block)
    return exif


def _tells_position(read_exif: Callable[[], Image.Exif]) -> bool:
    try:
        position = read_exif().get_ifd(ExifTags.IFD.GPSInfo)
    except PILLOW_ERRORS:
        return False
    return any(tag in position for tag in _POSITION)


def _form(header: ImageFile, data: bytes) -> str:
    bits = data[24] if data.startswith(_PNG) else _DEPTHS.get(header.mode) or stored_bits(header)
    channels = "gray" if header.mode.startswith("I;") else _MODES.get(header.mode, header.mode)
    return f"{header.format}, {channels}, {bits} {'bit' if bits == 1 else 'bits'}"
