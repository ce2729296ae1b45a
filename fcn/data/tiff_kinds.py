"""Kinds of TIFF files: which pixels they hold, and which of them have one meaning as an RGB image.

A TIFF can hold almost anything. What is accepted has the pixels that `tifffile` reads; the rest is refused,
with the reason, since a library that decodes it leaves something out or gets it wrong.
"""

from typing import IO, Any

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from fcn.errors import DataError

# Tags of TIFF 6.0, section 8; of DNG, and of the directories in which cameras keep what the sensor saw.
_SUBFILE, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR = 254, 258, 259, 262, 277, 284
_SUB_DIRECTORIES, _EXTRA, _FORMAT, _SUBSAMPLING, _DNG = 330, 338, 339, 530, 50706
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_SENSOR = (32803, 34892)
_BANDS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3}
_KINDS_OF_NUMBERS = {2: "numbers with a sign", 3: "floating-point numbers", 5: "complex numbers"}
_KINDS_OF_NUMBERS |= {6: "complex numbers"}
_UNCOMPRESSED, _OLD_JPEG, _JPEG, _SEPARATE = 1, 6, 7, 2
_ASSOCIATED, _UNASSOCIATED, _COREL = 1, 2, 999
_REMEDY = "Save it as RGB or gray with 8 or 16 bits a channel."


class TiffKind:
    """The kind of pixels of a TIFF, from its tags.

    Args:
        tags: The tags of its first page, as Pillow reads them.

    Attributes:
        bits: Bits of each value.
        photometric: Meaning of the values: TIFF's PhotometricInterpretation.
        associated: Whether colors are multiplied by alpha.
        separate: Whether each band is stored by itself.
        compressed: Whether the pixels are compressed.
    """

    def __init__(self, tags: Any) -> None:
        compression = int(tags.get(_COMPRESSION, _UNCOMPRESSED))
        photometric = tags.get(_PHOTOMETRIC, _WHITE_IS_ZERO)
        self.photometric = _YCBCR if compression == _OLD_JPEG else int(photometric)
        self.bits = int(_values(tags, _BITS, 1)[0])
        self._all_bits = {int(value) for value in _values(tags, _BITS, 1)}
        self._numbers = {int(value) for value in _values(tags, _FORMAT, 1)}
        color_jpeg = compression in (_OLD_JPEG, _JPEG) and self.photometric in (_RGB, _YCBCR)
        self._samples = int(tags.get(_SAMPLES, 3 if color_jpeg else 1))
        self._extra = [int(value) for value in _values(tags, _EXTRA)]
        self._subsampling = [int(value) for value in _values(tags, _SUBSAMPLING, 2)]
        self.separate = int(tags.get(_PLANAR, 1)) == _SEPARATE and self._samples > 1
        self.compressed = compression != _UNCOMPRESSED
        self.associated = _ASSOCIATED in self._extra
        self._big_endian = tags.prefix == b"MM"
        self._is_raw = _DNG in tags or self.photometric in _SENSOR
        self._is_raw |= _SUB_DIRECTORIES in tags and bool(int(tags.get(_SUBFILE, 0)) & 1)

    def problem(self) -> str | None:
        """Returns why such a file is refused, and what to do; None if its pixels are known."""
        if self._is_raw:
            return (
                "is a camera's raw file, which is not decoded here. Export it as a TIFF or JPEG with the "
                "camera's software or a raw converter."
            )
        if kinds := [_KINDS_OF_NUMBERS[value] for value in self._numbers if value in _KINDS_OF_NUMBERS]:
            return f"expected whole numbers from 0 on. Received: {kinds[0]}. {_REMEDY}"
        if self.bits == 16 and self.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) and self._samples == 2:
            return "stores gray of 16 bits with a second band. Save it with one band, or as RGB."
        if len(self._all_bits) > 1 or self.bits not in self._known_bits():
            bits = ", ".join(map(str, sorted(self._all_bits)))
            return f"expected 8 or 16 bits a channel. Received: {bits}. {_REMEDY}"
        if self.photometric not in _BANDS:
            return (
                "expected gray, RGB, a palette, CMYK or YCbCr. Received: a TIFF with "
                f"PhotometricInterpretation {self.photometric}. {_REMEDY}"
            )
        return self._problem_of_bands() or self._problem_of_decoders()

    def _known_bits(self) -> tuple[int, ...]:
        if self.photometric == _BLACK_IS_ZERO and self._samples == 1:
            return (1, 2, 4, 8, 12, 16)
        if self.photometric in (_WHITE_IS_ZERO, _PALETTE) and self._samples == 1:
            return (1, 2, 4, 8) if self.photometric == _PALETTE else (1, 2, 4, 8, 16)
        return (8, 16) if self.photometric in (_RGB, _CMYK) else (8,)

    def _problem_of_bands(self) -> str | None:
        bands = _BANDS[self.photometric]
        more = self._samples - bands
        alpha = self._extra[:1] or [_UNASSOCIATED]  # without the tag, what OpenCV writes
        if more == 0 or (more == 1 and alpha[0] in (_ASSOCIATED, _UNASSOCIATED, _COREL)):
            return None
        if more < 0:
            return f"expected {bands} bands. Received: {self._samples}. Replace the file or take it out."
        return (
            f"has {self._samples} bands, {more} of them without a stated meaning, such as near infrared. "
            "Nets here see red, green and blue: one that uses more bands would need a first layer with as "
            f"many channels. Save {'the first three' if bands == 3 else 'the bands to use'} as an RGB image."
        )

    def _problem_of_decoders(self) -> str | None:
        if self.photometric == _WHITE_IS_ZERO and self.bits == 16 and self._big_endian:
            return f"stores white as 0, with 16 bits in big-endian order. {_REMEDY}"
        if self.photometric == _YCBCR and not self.compressed and self._subsampling != [1, 1]:
            return f"stores uncompressed YCbCr with fewer colors than pixels. {_REMEDY}"
        if self.separate and self.associated:
            return f"stores bands separately, with colors that are multiplied by alpha. {_REMEDY}"
        if self.separate and self.bits == 16 and self.photometric == _CMYK and not self.compressed:
            return f"stores 16 bits of separate CMYK bands uncompressed. {_REMEDY}"
        if self.separate and self.photometric not in (_RGB, _CMYK):
            return f"stores separate bands that are not RGB or CMYK. {_REMEDY}"
        return None


def _values(tags: Any, tag: int, default: int | None = None) -> tuple[Any, ...]:
    value = tags.get(tag, () if default is None else (default,))
    return value if isinstance(value, tuple) else (value,)


def check_kind(file: IO[bytes], name: object) -> None:
    """Refuses a TIFF with pixels that have no one meaning as an RGB image.

    What is damaged is left for the decoder to refuse.

    Args:
        file: The file, at its beginning, where it is left.
        name: The image's name in an error, usually its path.

    Raises:
        DataError: If it is such a file.
    """
    header = file.read(8)
    try:
        if header[:4] == b"MM\0+":
            raise DataError(f"{name}: is a BigTIFF in big-endian order, which is not decoded here. {_REMEDY}")
        if header[2:3] == b"+":
            header += file.read(8)
        tags = ImageFileDirectory_v2(header)
        file.seek(tags.next)
        tags.load(file)
        problem = TiffKind(tags).problem()
    except DataError:
        raise
    except Exception:  # on damaged tags Pillow raises any error; its decoder will say which
        return
    finally:
        file.seek(0)
    if problem:
        raise DataError(f"{name}: {problem}")
