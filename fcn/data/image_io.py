"""Reading and writing images and labels outside of graphs: the one rule for what the bytes mean.

Images become `uint8[H, W, 3]` RGB whatever they were: gray becomes three equal channels, a palette its
colors, alpha is dropped, of 16 bits the upper 8 are kept. A file holds one image. Pixels stay in stored
order; EXIF orientation turns only images made for people (`upright`). `fcn.exports.graph` does the same
inside a graph, equal to the pixel, for JPEG, PNG and BMP.
"""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from fcn.classes import VOID, Classes, count_ids
from fcn.data.image_bounds import check_scans
from fcn.data.image_header import (
    PILLOW_ERRORS,
    check_no_device,
    open_header,
    read_image_file,
    stored_size,
)
from fcn.errors import DataError
from fcn.system.files import unreadable, write_bytes

_DECODE_FLAGS = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
_JPEG_QUALITY = 92
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Chunks of a PNG in which Pillow finds an orientation.
_PNG_EXIF = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")
# How stored pixels become upright, by the value of the EXIF tag Orientation (EXIF 2.3, 4.6.4).
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED_BACK = {6: 8, 8: 6}
# What Pillow calls pixels of 16 bits, in either order of bytes, and of 32.
_16_BITS, _32_BITS = ("I;16", "I;16B", "I;16L", "I;16N"), ("I", "F")

Pixels = npt.NDArray[np.uint8]


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


def decode_image(data: bytes, name: object = "image") -> Pixels:
    """Decodes a JPEG, PNG, BMP, WebP or TIFF file; its content decides which, not its name.

    Args:
        data: The content of an image file.
        name: The image's name in an error, usually its path.

    Returns:
        `uint8[H, W, 3]`, RGB, in stored pixel order.

    Raises:
        DataError: If the bytes are not an image or only the first part of one, or if it is larger than
            `MAX_PIXELS`, has several frames or pages, or passes a bound of `fcn.data.image_bounds`.
    """
    header = open_header(data, name)
    if isinstance(header, TiffImageFile):
        return _decode_tiff(header, name)
    if isinstance(header, JpegImageFile):
        check_scans(data, header.height * header.width, name)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _DECODE_FLAGS)
    except cv2.error as error:
        raise DataError(f"{name}: is not an image that can be decoded ({error.err}).") from error
    if image is None:
        raise DataError(f"{name}: is truncated or not an image. Replace the file or take it out.")
    return image.astype(np.uint8, copy=False)


def _decode_tiff(image: TiffImageFile, name: object) -> Pixels:
    """Decodes a TIFF with Pillow: OpenCV darkens what is transparent and applies the orientation tag."""
    orientation = _orientation(image)
    if image.mode in _32_BITS:
        raise DataError(f"{name}: expected 8 or 16 bits a channel. Received: 32. Save it with fewer.")
    try:
        # Where it makes room for pixels Pillow has a limit of its own, below ours and one for all callers.
        image.im = Image.new(image.mode, stored_size(image)[::-1]).im
        image.load()
        deep = image.mode in _16_BITS
        gray_or_color = Image.fromarray((np.array(image) >> 8).astype(np.uint8)) if deep else image
        pixels: Pixels = np.array(gray_or_color.convert("RGB"))
    except PILLOW_ERRORS as error:
        raise DataError(
            f"{name}: is truncated or a TIFF that cannot be decoded ({error}). "
            "Replace the file or take it out."
        ) from error
    # Pillow turns a TIFF, and no other file, while it loads it.
    return upright(pixels, _TURNED_BACK.get(orientation, orientation))


def read_image(path: Path) -> Pixels:
    """Reads and decodes an image file.

    Returns:
        `uint8[H, W, 3]`, RGB, in stored pixel order.

    Raises:
        DataError: If the file cannot be read or decoded.
    """
    return decode_image(read_image_file(path), path)


def read_label(path: Path) -> Pixels:
    """Reads a label as the class ids it stores, never as the colors they are shown in.

    Args:
        path: A palette or 8-bit gray PNG.

    Returns:
        `uint8[H, W]`, class ids, 255 = void.

    Raises:
        DataError: If the file cannot be decoded or stores colors instead of class ids.
    """
    data = read_file(path)
    try:
        with open_header(data, path) as image:
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
    """Returns (height, width) of an image file from its header, in stored pixel order.

    Raises:
        DataError: If the file cannot be read or is not an image.
    """
    try:
        with path.open("rb") as file:
            return stored_size(open_header(file, path))
    except OSError as error:
        raise DataError(f"{path}: {unreadable(error)}") from error


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


def exif_orientation(data: bytes) -> int:
    """Returns the EXIF orientation (1 to 8) of an image file's content, 1 without one."""
    if data.startswith(_PNG_SIGNATURE) and not any(keyword in data for keyword in _PNG_EXIF):
        return 1  # to find none, Pillow would decode all pixels, since it may come after them
    try:
        return _orientation(open_header(data, "image"))
    except DataError:
        return 1


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except PILLOW_ERRORS:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turns an image or a label from stored order to how a person held the camera.

    Args:
        pixels: `uint8[H, W]` or `uint8[H, W, 3]`.
        orientation: EXIF orientation, 1 to 8.

    Example:
        >>> upright(np.array([[1, 2]], np.uint8), 6).tolist()
        [[1], [2]]
    """
    if orientation not in _TURNS:
        return pixels
    return np.array(Image.fromarray(pixels).transpose(_TURNS[orientation]))


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
            "Correct the label, or list every class in labels.txt."
        )
