"""An image file in memory, with its header and its pixels."""

import math

import cv2
import numpy as np
from PIL.TiffImagePlugin import TiffImageFile

from fcn.data.image_bounds import check_content
from fcn.data.image_header import MAX_PIXELS, open_header, stored_size
from fcn.data.orientation import Pixels, orientation_of, turned_size, upright
from fcn.data.pillow_decoding import MOST_BITS, decode_other, decode_tiff, stored_bits, to_8_bits
from fcn.errors import DataError

_DECODE_FLAGS = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION


class EncodedImage:
    """The content of an image file in one of `IMAGE_FORMATS`; its content decides which, not its name.

    The header is read once, here, and the pixels are decoded when they are asked for.

    Args:
        data: The content of the file.
        name: The image's name in an error, usually its path.
        max_pixels: Most pixels of it.

    Attributes:
        data: The content of the file.
        header: The image as Pillow opened it, not decoded.
        orientation: EXIF orientation, 1 to 8, by which the stored pixels are turned. HEIC always comes
            upright and has none.
        stored_bits: 16 for an image whose values may use any number of bits up to 16, 8 for any other.
        stored_size: (height, width) of the pixels in the file.
        size: (height, width) of the upright image.

    Raises:
        DataError: If the bytes are not an image, or if it is larger than `max_pixels`, has several frames or
            pages, or passes a bound of `fcn.data.image_bounds`.

    Example:
        >>> from fcn.data.image_io import encode_png
        >>> image = EncodedImage(encode_png(np.zeros((2, 3, 3), np.uint8)), "a.png")
        >>> image.size, image.decode().shape
        ((2, 3), (2, 3, 3))
    """

    def __init__(self, data: bytes, name: object = "image", max_pixels: int = MAX_PIXELS) -> None:
        self.data = data
        self._name = name
        self.header = open_header(data, name, max_pixels)
        self.orientation = orientation_of(self.header)
        self.stored_bits = stored_bits(self.header)
        self.stored_size = stored_size(self.header)
        self.size = turned_size(self.stored_size, self.orientation)

    def decode(self, bits: int = MOST_BITS) -> Pixels:
        """Returns the pixels, `uint8[H, W, 3]`, RGB, upright.

        Args:
            bits: How many bits the values of a file of 16 bits use; the upper 8 of these are kept.

        Raises:
            DataError: If the image is damaged, or passes a bound of `fcn.data.image_bounds`.
        """
        return upright(self.decode_stored(bits), self.orientation)

    def decode_stored(self, bits: int = MOST_BITS) -> Pixels:
        """Returns what `decode` does, but in stored pixel order: EXIF orientation is not applied.

        Raises:
            DataError: As `decode` does.
        """
        header, name = self.header, self._name
        check_content(header, self.data, math.prod(self.stored_size), name)
        if isinstance(header, TiffImageFile):
            return decode_tiff(self.data, name, bits)
        if header.format not in ("JPEG", "PNG", "BMP", "WEBP"):
            return decode_other(header, name, bits)
        deep = bits < MOST_BITS and self.stored_bits == MOST_BITS
        try:
            flags = _DECODE_FLAGS | cv2.IMREAD_ANYDEPTH if deep else _DECODE_FLAGS
            image = cv2.imdecode(np.frombuffer(self.data, np.uint8), flags)
        except cv2.error as error:
            raise DataError(f"{name}: is not an image that can be decoded ({error.err}).") from error
        if image is None:
            raise DataError(f"{name}: is truncated or not an image. Replace the file or take it out.")
        return to_8_bits(image.astype(np.uint16), bits, name) if deep else image.astype(np.uint8, copy=False)
