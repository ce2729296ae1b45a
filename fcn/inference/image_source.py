"""Images in the forms in which a program gives them to a predictor."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ImageOps
from PIL.Image import Image

from fcn.data.image_io import Pixels, decode_image, read_image

_PILLOW_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")

ImageSource = Path | str | bytes | npt.NDArray[np.uint8] | Image
"""A path, the content of an image file, pixels `uint8[H, W, 3]` RGB, or an image of Pillow."""


def read_source(image: ImageSource, bits: int) -> Pixels:
    """Returns the pixels of an image, `uint8[H, W, 3]`, RGB, upright.

    Args:
        image: The image.
        bits: How many bits the values of a file of 16 bits use.

    Raises:
        DataError: If it cannot be read or decoded.
        ValueError: If pixels have the wrong type or shape.
    """
    if isinstance(image, bytes):
        return decode_image(image, bits=bits)
    if isinstance(image, (Path, str)):
        return read_image(Path(image), bits)
    if isinstance(image, Image):
        if image.mode not in _PILLOW_MODES:
            raise ValueError(
                f"Expected an image of Pillow of 8 bits a channel ({', '.join(_PILLOW_MODES)}). Received: "
                f"mode {image.mode}. Give its path or its bytes, which are read as in training."
            )
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"Expected pixels uint8[H, W, 3]. Received: {image.dtype}{list(image.shape)}.")
    return image
