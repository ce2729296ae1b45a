"""Headers of image files, read before the pixels are decoded: format, size, number of images."""

import os
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile

from fcn.data.image_bounds import check_sides
from fcn.data.image_forms import IMAGE_FORMATS as IMAGE_FORMATS
from fcn.data.image_forms import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from fcn.data.image_forms import START_BYTES, reader_of
from fcn.data.jpeg2000 import check_codestream
from fcn.data.media_boxes import check_boxes
from fcn.data.text_bounds import check_comments
from fcn.data.tiff_bounds import MAX_PAGES, check_tags, check_tiles
from fcn.data.tiff_kinds import check_kind
from fcn.errors import DataError
from fcn.system.files import unreadable

MAX_PIXELS = 2**28
"""An image of more, 16,384 x 16,384 or 0.8 GB once it is decoded, is refused as hostile."""

MOST_MEGAPIXELS = 1000
"""Highest limit that may be chosen: OpenCV decodes no image of more than 1,074."""

_METADATA_BYTES = 2**27
MAX_BYTES = 8 * MAX_PIXELS + _METADATA_BYTES
"""A larger file is not an image: four channels of 16 bits, uncompressed, and 0.1 GB of metadata."""

PILLOW_ERRORS = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError),
    *(struct.error, zlib.error, Image.DecompressionBombError),
)
"""Exceptions of Pillow for a file that is damaged, not an image, or suspiciously large."""

# Tags of TIFF 6.0, section 8. NewSubfileType: bit 0 is a smaller copy of another page, bit 2 a mask.
_NEW_SUBFILE_TYPE, _IMAGE_WIDTH, _IMAGE_LENGTH = 254, 256, 257
_COPY_OR_MASK = 0b101
_REMEDY = "Replace the file or take it out."


def check_file_size(size: int, name: object, max_pixels: int = MAX_PIXELS) -> None:
    """Refuses a file that is too large for an image, before it is read.

    Args:
        size: Its length in bytes.
        name: The file's name in an error, usually its path.
        max_pixels: Most pixels of an image.

    Raises:
        DataError: If it is larger than `MAX_BYTES`, or what follows from another `max_pixels`.
    """
    most = MAX_BYTES if max_pixels == MAX_PIXELS else 8 * max_pixels + _METADATA_BYTES
    if size > most:
        raise DataError(
            f"{name}: expected an image of at most {most / 1e9:.1f} GB. Received: {size / 1e9:.1f} GB. "
            f"Nothing was decoded. {_REMEDY}"
        )


def check_no_device(file: IO[bytes], path: Path) -> None:
    """Refuses a device, such as a link to `/dev/zero`, which can be read without end.

    Args:
        file: The open file.
        path: Its path, for the message.

    Raises:
        DataError: If it is one.
    """
    mode = os.fstat(file.fileno()).st_mode
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise DataError(f"{path}: is a device, not a file. {_REMEDY}")


def read_image_file(path: Path, max_pixels: int = MAX_PIXELS) -> bytes:
    """Returns the bytes of a file that begins as an image does and is not too large for one.

    Args:
        path: The file.
        max_pixels: Most pixels of an image.

    Raises:
        DataError: If the file is missing, cannot be read or is not an image.
    """
    try:
        with path.open("rb") as file:
            check_no_device(file, path)
            check_file_size(os.fstat(file.fileno()).st_size, path, max_pixels)
            reader_of(file.read(START_BYTES), path)
            file.seek(0)
            return file.read()
    except OSError as error:
        raise DataError(f"{path}: {unreadable(error)}") from error


def open_header(file: IO[bytes] | bytes, name: object, max_pixels: int = MAX_PIXELS) -> ImageFile.ImageFile:
    """Reads the header of an image file; the pixels are decoded when they are asked for.

    Args:
        file: The file, or its content.
        name: The image's name in an error, usually its path.
        max_pixels: Most pixels of an image.

    Raises:
        DataError: If this is not an image in one of `IMAGE_FORMATS`, has more than `max_pixels` pixels,
            more than one frame (an animation, or a TIFF of several pages), is a TIFF without one meaning as
            an RGB image (`fcn.data.tiff_kinds`), or passes a bound of `fcn.data.image_bounds`.
    """
    return _open(file, name, check_kind, max_pixels)


@contextmanager
def reading_header(path: Path, max_pixels: int = MAX_PIXELS) -> Iterator[ImageFile.ImageFile]:
    """Yields the header of an image file, which is open until the block ends.

    Args:
        path: The file.
        max_pixels: Most pixels of an image.

    Raises:
        DataError: If the file cannot be read, or as `open_header` does.
    """
    try:
        with path.open("rb") as file:
            yield open_header(file, path, max_pixels)
    except OSError as error:
        raise DataError(f"{path}: {unreadable(error)}") from error


def open_mask_header(file: IO[bytes] | bytes, name: object) -> ImageFile.ImageFile:
    """Reads the header of a file of ids as `open_header` does, but a TIFF may hold any kind of numbers.

    Args:
        file: The file, or its content.
        name: The mask's name in an error, usually its path.

    Raises:
        DataError: As `open_header` does.
    """
    return _open(file, name, None, MAX_PIXELS)


def _open(
    file: IO[bytes] | bytes,
    name: object,
    check_tiff: Callable[[IO[bytes], object], None] | None,
    max_pixels: int,
) -> ImageFile.ImageFile:
    source = BytesIO(file) if isinstance(file, bytes) else file
    try:
        start = source.read(START_BYTES)
        source.seek(0)
        reader = reader_of(start, name)
        if reader is TiffImageFile:
            check_tags(source, name)
            if check_tiff is not None:
                check_tiff(source, name)
        elif start[4:8] == b"ftyp":
            check_boxes(source, name)
        elif reader in (GifImageFile, PpmImageFile):
            check_comments(source, name)
        image = reader(source)
        height, width = stored_size(image)
        pixels = height * width
        pictures = 1
        if pixels <= max_pixels:
            check_tiles(image, pixels, name)
            pictures = _count_pictures(image)
    except Image.DecompressionBombError as error:
        raise DataError(f"{name}: {_too_large(str(error), max_pixels)}") from error
    except PILLOW_ERRORS as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else None
        what = f"cannot be read ({reason})" if reason else f"is truncated or not an image ({error})"
        raise DataError(f"{name}: {what}. {_REMEDY}") from error
    if pixels > max_pixels:
        raise DataError(f"{name}: {_too_large(f'{width} x {height} pixels', max_pixels)}")
    check_sides(height, width, name)
    if isinstance(image, Jpeg2KImageFile):
        try:
            check_codestream(source, (height, width), name)
        except ValueError as error:
            raise DataError(f"{name}: is truncated or not an image ({error}). {_REMEDY}") from error
    if pictures > 1:
        what = "pages of a document" if isinstance(image, TiffImageFile) else "frames of an animation"
        raise DataError(
            f"{name}: expected one image. Received: {pictures} {what}. "
            "Save the one you need as a separate file."
        )
    return image


def stored_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    """Returns (height, width) in stored pixel order, which Pillow itself does not tell of a TIFF."""
    if isinstance(image, TiffImageFile):
        return int(image.tag_v2[_IMAGE_LENGTH]), int(image.tag_v2[_IMAGE_WIDTH])
    return image.height, image.width


def _too_large(received: str, max_pixels: int) -> str:
    return (
        f"expected at most {max_pixels} pixels. Received: {received}. Nothing was decoded. If the file is "
        "genuine, cut it into parts; infer also takes it with --max-megapixels, and a TIFF of any size with "
        "--outputs geotiff."
    )


def _count_pictures(image: ImageFile.ImageFile) -> int:
    """Returns how many pictures a file holds, of very many pages the first; copies of one do not count."""
    if isinstance(image, GifImageFile):
        return 1  # of an animation the first frame counts
    if not isinstance(image, TiffImageFile):
        return int(getattr(image, "n_frames", 1))
    count = 1
    for page in range(1, MAX_PAGES):
        try:
            image.seek(page)
        except EOFError:
            break
        except SyntaxError:  # Pillow knows no mode for its pixels, as of GDAL's masks, but has read its tags
            pass
        count += not int(image.tag_v2.get(_NEW_SUBFILE_TYPE, 0)) & _COPY_OR_MASK
    image.seek(0)
    return count
