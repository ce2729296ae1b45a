"""The closer look at each image and label that only `fcn data check` takes."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ExifTags

from fcn.classes import VOID
from fcn.data.image_header import PILLOW_ERRORS, open_header, read_image_file
from fcn.data.image_io import Pixels
from fcn.data.orientation import exif_orientation
from fcn.data.pillow_decoding import stored_bits
from fcn.data.split_list import Example
from fcn.errors import DataError

_PNG = b"\x89PNG\r\n\x1a\n"
_DEPTHS = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I;16N": 16, "I": 32, "F": 32}
_MODES = {"1": "gray", "L": "gray", "LA": "gray and alpha", "P": "palette", "I": "gray", "F": "gray"}
_POSITION = (ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLongitude)


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
    return Seen(_form(data), exif_orientation(data), _has_position(data), tuple(smallest_objects(label)))


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


def _form(data: bytes) -> str:
    header = open_header(data, "image")
    bits = data[24] if data.startswith(_PNG) else _DEPTHS.get(header.mode) or stored_bits(header)
    channels = "gray" if header.mode.startswith("I;") else _MODES.get(header.mode, header.mode)
    return f"{header.format}, {channels}, {bits} {'bit' if bits == 1 else 'bits'}"


def _has_position(data: bytes) -> bool:
    if data.startswith(_PNG) and b"eXIf" not in data:
        return False  # to find none, Pillow would decode all pixels
    try:
        position = open_header(data, "image").getexif().get_ifd(ExifTags.IFD.GPSInfo)
    except (*PILLOW_ERRORS, DataError):
        return False
    return any(tag in position for tag in _POSITION)
