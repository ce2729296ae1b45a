"""Reads one mask file: its ids or its colors, with what image files do to small numbers undone.

Gray PNGs of 2 and 4 bits hold ids, which Pillow stretches to 0..255. Pixels that are transparent were never
painted, so they count as 0 or black.
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from fcn.classes import count_ids
from fcn.data.image_header import PILLOW_ERRORS, open_mask_header, read_image_file, stored_size
from fcn.data.image_io import Pixels
from fcn.data.orientation import check_unturned
from fcn.errors import DataError
from fcn.labels.importing.readers.id_array import ARRAY_SUFFIX, MAX_ID, read_array
from fcn.labels.importing.readers.mask_size import check_area
from fcn.labels.importing.source import Keys, color_key, color_keys
from fcn.system.files import unreadable

COLOR_MODES = frozenset({"RGB", "RGBA"})
GRAY_MODES = frozenset({"1", "L", "LA", "I;16", "I;16B", "I;16L", "I"})
ALPHA_MODES = frozenset({"RGBA", "LA"})

_LOSSY = frozenset({"JPEG", "AVIF", "HEIF", "JPEG2000"})
_LOSSY_TIFF = frozenset({"jpeg", "tiff_jpeg", "webp"})
_STRETCHED = re.compile(r"L;([24])I?R?")
_HEADER_BYTES = 4096
_BLACK, _WHITE = color_key((0, 0, 0)), color_key((255, 255, 255))


class MaskHeader(NamedTuple):
    """Properties of a mask, read from its header.

    Attributes:
        mode: Pillow's name of the kind of pixels.
        palette: `uint8[N, 3]` RGB if the pixels have one that is not a ramp of grays.
    """

    mode: str
    palette: Pixels | None


def read_mask_header(path: Path) -> MaskHeader:
    """Reads the header of a mask.

    Raises:
        DataError: If it is not a mask, or was stored with loss.
    """
    if path.suffix.lower() == ARRAY_SUFFIX:
        return MaskHeader("I", None)
    try:
        with path.open("rb") as file:
            image = open_mask_header(file, path)
            file.seek(0)
            _check_kind(image, file.read(_HEADER_BYTES), path)
            return MaskHeader(image.mode, _palette(image))
    except OSError as error:
        raise DataError(f"{path}: {unreadable(error)}") from error
    except PILLOW_ERRORS as error:
        raise _damaged(path, error) from error


def read_ids(path: Path, size: tuple[int, int] | None = None) -> Keys:
    """Returns the ids of a mask, `int32[H, W]`; -1 in an array is void.

    Args:
        path: The mask.
        size: (height, width) of its image, so that a mask of far more pixels is refused before it is decoded.

    Raises:
        DataError: If it is damaged or holds no ids.
    """
    if path.suffix.lower() == ARRAY_SUFFIX:
        return read_array(path, size)
    image, factor = _open(path, size)
    pixels = _pixels(image, path)
    if image.mode in COLOR_MODES:
        if not is_gray(pixels):
            raise DataError(f"{path}: has colors, where other masks have ids. Export all masks in one way.")
        values = pixels[..., 0]
    else:
        values = pixels[..., 0] if pixels.ndim == 3 else pixels
    if values.size and not 0 <= int(values.min()) <= int(values.max()) <= MAX_ID:
        raise DataError(
            f"{path}: expected ids of 0 to {MAX_ID:,}. Received: {values.min()} to {values.max()}."
        )
    keys = (values // factor).astype(np.int32)
    if image.mode in ALPHA_MODES:
        keys[_transparent(pixels, path)] = 0
    return keys


def read_colors(path: Path, size: tuple[int, int] | None = None) -> Keys:
    """Returns the keys of the colors of a mask, `int32[H, W]`.

    Args:
        path: The mask.
        size: As in `read_ids`.

    Raises:
        DataError: If it is damaged, or its values are ids.
    """
    if path.suffix.lower() == ARRAY_SUFFIX:
        raise DataError(f"{path}: has ids, where other masks have colors. Export all masks in one way.")
    image, _ = _open(path, size)
    if image.mode in GRAY_MODES:
        return _black_and_white(image, path)
    if image.mode == "P":
        _check_palette(image, _pixels(image, path), path)
    has_alpha = image.mode in ALPHA_MODES or (image.mode == "P" and "transparency" in image.info)
    colors = _pixels(image, path, "RGBA" if has_alpha else "RGB")
    keys = color_keys(colors[..., :3])
    if has_alpha:
        keys[_transparent(colors, path)] = _BLACK
    return keys


def colors_of_ids(path: Path) -> dict[int, tuple[int, ...]]:
    """Returns the color in the palette of each id that a mask has; none without a palette.

    Raises:
        DataError: If it is damaged.
    """
    palette = read_mask_header(path).palette
    return {} if palette is None else _used_colors(_pixels(_open(path)[0], path), palette)


def is_gray(pixels: Pixels) -> bool:
    """Returns whether the first three channels of `uint8[H, W, C]` are equal."""
    return bool((pixels[..., :1] == pixels[..., 1:3]).all())


def has_gray_colors(path: Path) -> bool:
    """Returns whether an RGB mask holds grays only.

    Raises:
        DataError: If it is damaged.
    """
    return is_gray(_pixels(_open(path)[0], path))


def _black_and_white(image: ImageFile.ImageFile, path: Path) -> Keys:
    """Returns the keys of the colors of a gray mask: tools that make files small store RGB so.

    Raises:
        DataError: If it has other grays, which may be ids.
    """
    pixels = _pixels(image, path)
    values = pixels[..., 0] if pixels.ndim == 3 else pixels
    white = values == (1 if values.dtype == np.bool_ else np.iinfo(values.dtype).max)
    if not (white | (values == 0)).all():
        raise DataError(
            f"{path}: is gray and not black and white, where other masks have colors. Export all masks "
            "in one way."
        )
    if image.mode in ALPHA_MODES:
        white &= ~_transparent(pixels, path)
    return np.where(white, _WHITE, _BLACK).astype(np.int32)


def _open(path: Path, size: tuple[int, int] | None = None) -> tuple[ImageFile.ImageFile, int]:
    """Returns an image with pixels that are not yet decoded, and by how much Pillow will stretch them."""
    data = read_image_file(path)
    image = open_mask_header(data, path)
    _check_kind(image, data[:_HEADER_BYTES], path)
    check_area(path, stored_size(image), size)
    found = _STRETCHED.fullmatch(_raw_mode(image))
    return image, 255 // (2 ** int(found[1]) - 1) if found else 1


def _check_kind(image: ImageFile.ImageFile, start: bytes, path: Path) -> None:
    """Refuses kinds of images that change or cut values, or that may be turned.

    Raises:
        DataError: If it is one.
    """
    if _is_lossy(image, start):
        raise DataError(
            f"{path}: is stored with loss, as {image.format}, which changes the values of pixels, so that no "
            "class is certain. Export the masks as PNG."
        )
    check_unturned(image, path)
    if image.mode not in COLOR_MODES | GRAY_MODES | {"P"}:
        raise DataError(f"{path}: expected a mask of ids or colors. Received: mode {image.mode!r}.")
    if "16" in _raw_mode(image) and image.mode not in GRAY_MODES - ALPHA_MODES:
        raise DataError(
            f"{path}: has 16 bits in each of several channels. Save ids as gray, or colors with 8 bits."
        )


def _is_lossy(image: ImageFile.ImageFile, start: bytes) -> bool:
    if image.format == "WEBP":
        return b"VP8L" not in start
    return image.format in _LOSSY or str(image.info.get("compression", "")) in _LOSSY_TIFF


def _raw_mode(image: ImageFile.ImageFile) -> str:
    """Returns how pixels are stored, as Pillow says it before they are decoded."""
    arguments = image.tile[0][3] if image.tile else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _palette(image: ImageFile.ImageFile) -> Pixels | None:
    if image.mode != "P":
        return None
    values = image.palette.getdata()[1] if image.format == "PNG" and image.palette else image.getpalette()
    colors = np.frombuffer(bytes(values or ()), np.uint8)
    colors = colors[: len(colors) // 3 * 3].reshape(-1, 3)
    ramp = np.arange(len(colors))[:, None]
    return None if not len(colors) or (colors == ramp).all() else colors


def _used_colors(ids: Pixels, palette: Pixels) -> dict[int, tuple[int, ...]]:
    used = np.flatnonzero(count_ids(ids)).tolist()
    return {number: tuple(palette[number].tolist()) for number in used if number < len(palette)}


def _check_palette(image: Image.Image, ids: Pixels, path: Path) -> None:
    """Refuses a mask in which two ids look the same."""
    palette = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
    seen: dict[tuple[int, ...], int] = {}
    for number, color in _used_colors(ids, palette).items():
        other = seen.setdefault(color, number)
        if other != number:
            raise DataError(
                f"{path}: its ids {other} and {number} have one color, and palettes differ between masks, so "
                "that only colors tell classes. Export all masks in one way."
            )


def _transparent(pixels: Pixels, path: Path) -> npt.NDArray[np.bool_]:
    """Returns which pixels of `uint8[H, W, C]` the last channel makes invisible.

    Raises:
        DataError: If that hides every pixel of a picture.
    """
    hidden = pixels[..., -1] == 0
    if hidden.all() and hidden.size and (pixels[..., :-1] != pixels[0, 0, :-1]).any():
        raise DataError(
            f"{path}: is transparent everywhere, but its pixels differ. Save it without transparency."
        )
    return np.asarray(hidden)


def _pixels(image: Image.Image, path: Path, mode: str | None = None) -> npt.NDArray[np.uint8]:
    try:
        return np.array(image.convert(mode) if mode else image)
    except PILLOW_ERRORS as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: is truncated or not a mask ({error}). Export it again.")
