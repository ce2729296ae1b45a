"""Pixels of the images that Pillow decodes, and the one rule for values of more than 8 bits.

A file that says how many bits its values have (JPEG 2000, PNM, a TIFF of 12 bits) keeps the upper 8 of these.
Files of 16 bits often hold values of fewer, from a camera or microscope, and do not say so; then `bits` of
the net does, and the upper 8 of these are kept.
"""

from io import BytesIO
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile

from fcn.data.image_header import PILLOW_ERRORS, stored_size
from fcn.data.jpeg2000 import read_codestream
from fcn.data.tiff_kinds import TiffKind
from fcn.errors import DataError

FEWEST_BITS, MOST_BITS = 8, 16
"""Bits that values of 16-bit files can use."""

# What Pillow calls pixels of 16 bits, in either order of bytes, and of 32.
_16_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
_OPAQUE = 255
_REMEDY = "Replace the file or take it out."
_WHITE_IS_ZERO, _RGB = 0, 2
_PNG_DEPTH = 24
"""Place of the bits of a channel in a PNG."""

Pixels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.uint16]


class _StoredTiff(TiffImageFile):
    """A TIFF that stays in stored pixel order: Pillow turns it, and no other file, while it loads it."""

    def load_end(self) -> None:
        self._size = self.im.size


def to_8_bits(values: Values, bits: int, name: object) -> Pixels:
    """Returns the upper 8 of the bits that values use.

    Args:
        values: `uint16[...]`.
        bits: How many bits the values use, 8 to 16.
        name: The image's name in an error.

    Raises:
        DataError: If a value has more bits.

    Example:
        >>> to_8_bits(np.array([16, 4095], np.uint16), 12, "a.tif").tolist()
        [1, 255]
    """
    most = int(values.max(initial=0))
    if most >= 1 << bits:
        raise DataError(
            f"{name}: expected values of {bits} bits, 0 to {(1 << bits) - 1}, as data.bits of the net says. "
            f"Received: up to {most}. Train a net with data.bits: {most.bit_length()}, or take the image out."
        )
    return (values >> (bits - 8)).astype(np.uint8)


def needed_bits(pixels: Pixels, bits: int) -> int:
    """Returns how many bits the values of an image seem to use, from the 8 bits that were kept.

    Args:
        pixels: What became of the values with `bits`.
        bits: How many bits they were taken to use.

    Example:
        >>> needed_bits(np.full((1, 1, 3), 15, np.uint8), 16)
        12
    """
    return max(FEWEST_BITS, bits - 8 + int(pixels.max(initial=0)).bit_length())


def stored_bits(image: ImageFile.ImageFile) -> int:
    """Returns 16 for an image whose values may use any number of bits up to 16, 8 for any other.

    Args:
        image: What `open_header` returned.
    """
    if isinstance(image, TiffImageFile):
        return 16 if TiffKind(image.tag_v2).bits == 16 else 8
    if isinstance(image, PpmImageFile):
        return 16 if _greatest_value(image) == 65535 else 8
    if isinstance(image, Jpeg2KImageFile):
        return 16 if image.mode in _16_BITS and read_codestream(_file_of(image)).bits == 16 else 8
    if image.format == "PNG":
        file = _file_of(image)
        file.seek(_PNG_DEPTH)
        return 16 if file.read(1) == b"\x10" else 8
    return 8


def decode_tiff(data: bytes, name: object, bits: int) -> Pixels:
    """Returns the pixels of a TIFF.

    Args:
        data: The content of a file that `open_header` accepts.
        name: The image's name in an error.
        bits: How many bits the values of a file of 16 bits use.

    Returns:
        `uint8[H, W, 3]`, RGB, in stored pixel order.

    Raises:
        DataError: If the file is damaged, its colors are multiplied by alpha, or its values have more bits.
    """
    try:
        image = _StoredTiff(BytesIO(data))
        kind = TiffKind(image.tag_v2)
        if image.mode in _16_BITS:
            values = np.asarray(_load(image)).astype(np.uint16)
            gray = to_8_bits(values, min(bits, kind.bits), name)
            return _three(_OPAQUE - gray if kind.photometric == _WHITE_IS_ZERO else gray)
        if kind.bits == 16 and bits < 16:
            return to_8_bits(_deep_colors(data, kind, name), bits, name)
        loaded = _load(_with_raw_modes(image, kind))
    except PILLOW_ERRORS as error:
        raise DataError(
            f"{name}: is truncated or a TIFF that cannot be decoded ({error}). {_REMEDY}"
        ) from error
    if kind.associated:
        stored = np.array(loaded)
        if int(stored[..., -1].min(initial=_OPAQUE)) < _OPAQUE:
            raise DataError(
                f"{name}: stores colors that are multiplied by alpha (ExtraSamples 1), so that what is "
                "transparent is dark. Save it without transparency, or with unassociated alpha."
            )
        return stored[..., :3] if stored.shape[2] == 4 else _three(stored[..., 0])
    return _colors(loaded)


def decode_other(image: ImageFile.ImageFile, name: object, bits: int) -> Pixels:
    """Returns the pixels of a GIF (its first frame), AVIF, HEIC, JPEG 2000 or PNM.

    Args:
        image: What `open_header` returned.
        name: The image's name in an error.
        bits: How many bits the values of a file of 16 bits use.

    Returns:
        `uint8[H, W, 3]`, RGB, in stored pixel order; of HEIC upright.

    Raises:
        DataError: If the file is damaged, or its values have more bits.
    """
    size = stored_size(image)
    try:
        if isinstance(image, PpmImageFile) and (greatest := _greatest_value(image)) > _OPAQUE:
            pixels = to_8_bits(_deep_pnm(image), min(bits, max(8, greatest.bit_length())), name)
        elif isinstance(image, Jpeg2KImageFile):
            pixels = _jpeg_2000(image, name, bits)
        elif image.mode in _16_BITS:
            pixels = to_8_bits(np.asarray(_load(image)).astype(np.uint16), 16, name)
        else:
            pixels = _colors(_load(image))
    except PILLOW_ERRORS as error:
        raise DataError(f"{name}: is truncated or not an image ({error}). {_REMEDY}") from error
    if pixels.shape[:2] != size:
        raise DataError(f"{name}: is damaged: its pixels have another size than its header says. {_REMEDY}")
    return pixels if pixels.ndim == 3 else _three(pixels)


def _file_of(image: ImageFile.ImageFile) -> IO[bytes]:
    """Returns the file of an image whose pixels are not decoded yet.

    Raises:
        ValueError: If they are.
    """
    if image.fp is None:
        raise ValueError("its file is closed")
    return image.fp


def _load(image: ImageFile.ImageFile) -> ImageFile.ImageFile:
    if not isinstance(image, GifImageFile):
        # Where it makes room for pixels Pillow has a limit of its own, below ours and one for all callers.
        image.im = Image.new(image.mode, stored_size(image)[::-1]).im
    image.load()
    return image


def _colors(image: Image.Image) -> Pixels:
    image.info.pop("transparency", None)  # or Pillow computes what becomes of it
    return np.array(image.convert("RGB"))


def _three(gray: Pixels) -> Pixels:
    return np.repeat(gray[..., np.newaxis], 3, axis=2)


def _with_raw_modes(image: TiffImageFile, kind: TiffKind, low: bool = False) -> TiffImageFile:
    """Corrects how Pillow reads the values of some kinds.

    Args:
        image: The opened file.
        kind: Its kind.
        low: Whether to keep the lower byte of values of 16 bits, not the upper one.
    """
    order = "L" if image.tag_v2.prefix == b"II" else "B"
    swapped = {"L": "B", "B": "L", "N": "B" if np.little_endian else "L"}
    tiles = []
    for tile in image.tile:
        args: tuple[Any, ...] = tuple(tile.args or ())
        mode = args[0]
        if kind.separate and not kind.compressed and kind.bits == 16:
            mode = f"{mode};16{order}"  # Pillow takes each byte for a value
        if kind.associated:
            mode = mode.replace("RGBa", "RGBA")  # Pillow divides colors by alpha
        if low and mode[-1] in swapped and ";16" in mode:
            mode = mode[:-1] + swapped[mode[-1]]
        tiles.append(tile._replace(args=(mode, *args[1:])))
    image.tile = tiles
    return image


def _deep_colors(data: bytes, kind: TiffKind, name: object) -> Values:
    """Returns `uint16[H, W, 3]`; Pillow itself keeps one byte of each value.

    Raises:
        DataError: If it cannot be asked for the other byte.
    """
    if kind.photometric != _RGB or kind.associated or (kind.separate and kind.compressed):
        raise DataError(
            f"{name}: stores colors of 16 bits in a way that lets only the upper 8 be read. Save it as "
            "RGB with interleaved bands and without alpha."
        )
    upper, lower = (
        np.array(_load(_with_raw_modes(_StoredTiff(BytesIO(data)), kind, low)), np.uint16)[..., :3]
        for low in (False, True)
    )
    return (upper << 8 | lower).astype(np.uint16)


def _greatest_value(image: PpmImageFile) -> int:
    """Returns the value of white in a PNM; 255 of black and white."""
    args = image.tile[0].args
    if image.mode in ("1", "F"):
        return _OPAQUE
    if isinstance(args, tuple):
        return int(args[1])
    return 65535 if args == "I;16B" else _OPAQUE


def _deep_pnm(image: PpmImageFile) -> Values:
    """Returns `uint16[H, W]` or `uint16[H, W, 3]`, as stored.

    Raises:
        ValueError: If it is written in decimal numbers, or ends too early.
    """
    tile = image.tile[0]
    if tile.codec_name == "ppm_plain":
        raise ValueError("decimal numbers of more than 8 bits; save it in binary")
    height, width = stored_size(image)
    bands = 3 if image.mode == "RGB" else 1
    file = _file_of(image)
    file.seek(tile.offset)
    values = np.frombuffer(file.read(2 * height * width * bands), ">u2").astype(np.uint16)
    if values.max(initial=0) > _greatest_value(image):
        raise ValueError("values above the greatest one that its header states")
    shaped: Values = values.reshape((height, width) if bands == 1 else (height, width, 3))
    return shaped


def _jpeg_2000(image: Jpeg2KImageFile, name: object, bits: int) -> Pixels:
    """Returns the pixels of a JPEG 2000; values of more than 8 bits are told how many they have."""
    stated = read_codestream(_file_of(image)).bits
    if image.mode in _16_BITS:
        shift = max(0, 16 - stated)  # Pillow moves them up
        values = (np.asarray(_load(image)).astype(np.uint16) >> shift).astype(np.uint16)
        return to_8_bits(values, min(bits, max(8, stated)), name)
    if stated > 8 and bits < min(16, stated):
        raise DataError(
            f"{name}: is a JPEG 2000 in color with {stated} bits, and only the upper 8 are read; data.bits="
            f"{bits} of the net cannot be applied. Save it as a TIFF or PNG of 16 bits."
        )
    return _colors(_load(image))
