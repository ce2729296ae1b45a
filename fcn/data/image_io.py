"""Reading and writing images and labels outside of graphs: the one rule for what the bytes mean.

Images become `uint8[H, W, 3]` RGB whatever they were: gray becomes three equal channels, a palette its
colors, alpha is dropped, of 16 bits the upper 8 of those that the values use are kept. A file holds one
image, which is turned upright by its EXIF orientation (`fcn.data.orientation`). `fcn.exports.graph` does the
same inside a graph, equal to the pixel, for JPEG, PNG and BMP.
"""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from fcn.classes import VOID, Classes, count_ids
from fcn.data.encoded_image import EncodedImage
from fcn.data.image_header import (
    PILLOW_ERRORS,
    check_no_device,
    open_header,
    read_image_file,
    reading_header,
)
from fcn.data.label_loss import LOSS_REMEDY, LOSSY_FORMATS, looks_lossy
from fcn.data.orientation import Pixels as Pixels
from fcn.data.orientation import check_unturned, upright_size
from fcn.data.pillow_decoding import MOST_BITS
from fcn.errors import DataError
from fcn.system.files import unreadable, write_bytes

_JPEG_QUALITY = 92
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def read_file(path: Path) -> bytes:
    """Returns the bytes of a file.

    Raises:
        DataError: If the file is missing, cannot be read, or is a device, which may have no end.
    """
    try:
        with path.open("rb") as file:
            check_no_device(file, path)
            return file.read()
    except OSError as error:
        raise DataError(f"{path}: {unreadable(error)}") from error


def decode_image(data: bytes, name: object = "image", bits: int = MOST_BITS) -> Pixels:
    """Decodes an image file in one of `IMAGE_FORMATS`; its content decides which, not its name.

    Args:
        data: The content of an image file.
        name: The image's name in an error, usually its path.
        bits: How many bits the values of a file of 16 bits use; the upper 8 of these are kept.

    Returns:
        `uint8[H, W, 3]`, RGB, upright.

    Raises:
        DataError: If the bytes are not an image or only the first part of one, or if it is larger than
            `MAX_PIXELS`, has several frames or pages, or passes a bound of `fcn.data.image_bounds`.
    """
    return EncodedImage(data, name).decode(bits)


def read_image(path: Path, bits: int = MOST_BITS) -> Pixels:
    """Reads and decodes an image file.

    Args:
        path: The file.
        bits: As of `decode_image`.

    Returns:
        `uint8[H, W, 3]`, RGB, upright.

    Raises:
        DataError: If the file cannot be read or decoded.
    """
    return decode_image(read_image_file(path), path, bits)


def read_label(path: Path) -> Pixels:
    """Reads a label as the class ids it stores, never as the colors they are shown in.

    Args:
        path: A palette or 8-bit gray PNG.

    Returns:
        `uint8[H, W]`, class ids, 255 = void.

    Raises:
        DataError: If the file cannot be decoded, stores colors instead of class ids, or has an EXIF
            orientation of its own.
    """
    data = read_file(path)
    try:
        with open_header(data, path) as image:
            check_unturned(image, path)
            if image.format in LOSSY_FORMATS:
                raise DataError(
                    f"{path}: is a label stored as {image.format}, which changes class ids. {LOSS_REMEDY}"
                )
            # Pillow stretches gray of 2 or 4 bits to 0 to 255: class 1 would become another one.
            stretched = data[:8] == _PNG_SIGNATURE and image.mode == "L" and data[24] != 8
            if image.mode not in ("P", "L") or stretched:
                raise DataError(
                    f"{path}: expected a label of class ids (8-bit palette or gray PNG). Received: colors "
                    f'or another depth (mode "{image.mode}"). Save the class id of each pixel, 255 for void.'
                )
            return np.array(image, np.uint8)
    except PILLOW_ERRORS as error:
        raise DataError(
            f"{path}: is truncated or not a label image ({error}). "
            "Replace the file or take it out of the lists."
        ) from error


def read_palette(path: Path) -> npt.NDArray[np.uint8] | None:
    """Returns the colors a label file shows its class ids in, `uint8[N, 3]` RGB; None without a palette.

    Raises:
        DataError: If the file cannot be read or is not an image.
    """
    try:
        with open_header(read_file(path), path) as image:
            colors = image.getpalette("RGB") if image.mode == "P" else None
    except PILLOW_ERRORS as error:
        raise DataError(
            f"{path}: is truncated or not a label image ({error}). "
            "Replace the file or take it out of the lists."
        ) from error
    return None if colors is None else np.array(colors, np.uint8).reshape(-1, 3)


def read_size(path: Path) -> tuple[int, int]:
    """Returns (height, width) of an upright image from the header of its file.

    Raises:
        DataError: If the file cannot be read or is not an image.
    """
    with reading_header(path) as header:
        return upright_size(header)


def encode_label(label: Pixels, classes: Classes | None = None) -> bytes:
    """Encodes a label as an 8-bit PNG that `read_label` reads back unchanged.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.
        classes: The classes with the colors to show; without them the PNG is gray.
    """
    image = Image.fromarray(label)
    if classes is not None:
        image.putpalette(classes.full_palette().tobytes())
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def write_label(path: Path, label: Pixels, classes: Classes) -> None:
    """Writes a label, `uint8[H, W]`, as a palette PNG.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    write_bytes(path, encode_label(label, classes))


def encode_jpeg(image: Pixels) -> bytes:
    """Encodes `uint8[H, W, 3]` RGB as a JPEG for people to look at."""
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return data.tobytes()


def encode_png(image: Pixels) -> bytes:
    """Encodes `uint8[H, W, 3]` RGB as a PNG, as small as possible."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def colorize(label: Pixels, classes: Classes) -> Pixels:
    """Returns `uint8[H, W, 3]` RGB, each pixel in its class's color; void in VOC's pale yellow."""
    return recolor(label, classes.full_palette())


def recolor(label: Pixels, palette: Pixels) -> Pixels:
    """Returns `palette[label]`, in a tenth of the time that NumPy takes.

    Args:
        label: `uint8[H, W]`, contiguous or not.
        palette: `uint8[256, 3]`.

    Example:
        >>> recolor(np.array([[0, 2]], np.uint8), np.arange(768, dtype=np.uint8).reshape(256, 3)).tolist()
        [[[0, 1, 2], [6, 7, 8]]]
    """
    return cv2.LUT(cv2.merge([label] * 3), palette[np.newaxis]).astype(np.uint8, copy=False)


def check_label(label: Pixels, num_classes: int, path: Path) -> None:
    """Refuses a label that cannot be one of `num_classes` classes.

    Args:
        label: `uint8[H, W]`.
        num_classes: How many classes there are; ids are 0 to `num_classes` - 1, and void.
        path: Where the label came from, for the error.

    Raises:
        DataError: If an id is too large.
    """
    ids = np.flatnonzero(count_ids(label)).tolist()
    wrong = [value for value in ids if value >= num_classes and value != VOID]
    if wrong:
        raise DataError(
            f"{path}: expected class ids 0 to {num_classes - 1}, or {VOID} for void. Received: {wrong[:10]}. "
            + (
                "Most of its ids are only at edges, so it seems to have been stored with loss: as a JPEG, or "
                f"resized with interpolation. {LOSS_REMEDY}"
                if looks_lossy(label)
                else "Correct the label, or list every class in labels.txt."
            )
        )
