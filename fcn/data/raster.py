"""TIFF files of any size, such as GeoTIFFs, of which windows are read with rasterio.

Pixels mean what they mean in other images (`fcn.data.pillow_decoding`), and their values are equal, but for
JPEGs whose colors have fewer pixels than their brightness: these are interpolated here, and repeated there.
Pixels without data are those that the file marks: by a nodata value, a mask or alpha.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.data.image_bounds import MAX_SIDE
from fcn.data.image_forms import START_BYTES, find_form
from fcn.data.image_header import reading_header
from fcn.data.orientation import Pixels, orientation_of
from fcn.data.pillow_decoding import MOST_BITS, to_8_bits
from fcn.data.tiff_kinds import TiffKind
from fcn.errors import DataError
from fcn.system.optional import import_optional

FEATURE = "--outputs geotiff"
"""The name of what needs rasterio, for messages."""

Place = tuple[slice, slice]
Mask = npt.NDArray[np.bool_]

_CACHE_BYTES = 1 << 28
"""Decoded blocks that GDAL keeps: the strips of a window, which are as wide as the image, fit into it."""
_MOST_BLOCK_BYTES = 1 << 28
_BLACK_IS_ZERO, _RGB, _YCBCR = 1, 2, 6
_OPAQUE = 255
_CONVERT = "Convert it, with gdal_translate for example"


class Georeference(NamedTuple):
    """The place of an image on the ground, in rasterio's types.

    Attributes:
        crs: The coordinate reference system (CRS); None without one.
        transform: From columns and rows to coordinates; the identity without one.
        control_points: Ground control points and their CRS, where there is no transform.
        rpcs: Rational polynomial coefficients of a camera; None without them.
    """

    crs: Any
    transform: Any
    control_points: tuple[list[Any], Any]
    rpcs: Any


class Raster:
    """An open TIFF, of which windows are read. `open_raster` opens it.

    Args:
        dataset: The file as rasterio opened it.
        kind: The kind of its pixels.
        bits: How many bits the values of a file of 16 bits use.
        path: The file.

    Attributes:
        shape: Height, width and 3.
        georeference: Its place on the ground.
        greatest: The greatest of the 8-bit values of pixels with data that were read from a file of 16 bits;
            None of other files, and before any was read.
        most_rows: Most rows that a window should have, so that GDAL decodes nothing twice: strips are as wide
            as the image.
    """

    def __init__(self, dataset: Any, kind: TiffKind, bits: int, path: Path) -> None:
        self._dataset, self._kind, self._bits, self._path = dataset, kind, bits, path
        self.shape = (int(dataset.height), int(dataset.width), 3)
        self._bands = [1, 2, 3] if dataset.count >= 3 else [1]
        self._has_alpha = dataset.count > len(self._bands)
        self._all_valid = not self._has_alpha and all(
            [flag.name for flag in dataset.mask_flag_enums[band - 1]] == ["all_valid"] for band in self._bands
        )
        self.georeference = Georeference(dataset.crs, dataset.transform, dataset.gcps, dataset.rpcs)
        self.greatest: int | None = None
        self.most_rows = self._rows_in_cache()

    def __getitem__(self, place: Place) -> Pixels:
        """Returns the pixels at a place, `uint8[h, w, 3]`, RGB.

        Raises:
            DataError: If they cannot be read, or have more bits than stated.
        """
        values = self._read(self._bands, place).transpose(1, 2, 0)
        if values.dtype != np.uint8:
            values = self._keep_8_bits(values.astype(np.uint16, copy=False), self.has_data(place))
        if len(self._bands) == 1:
            values = np.repeat(values, 3, axis=2)
        return np.ascontiguousarray(values)

    def has_data(self, place: Place) -> Mask:
        """Returns which pixels at a place have data, `bool[h, w]`.

        Raises:
            DataError: If they cannot be read, or their colors are multiplied by alpha.
        """
        if self._all_valid:
            rows, columns = self._bounds(place)
            return np.ones((rows[1] - rows[0], columns[1] - columns[0]), bool)
        with _reading(self._path):
            masks = self._dataset.read_masks(self._bands, window=self._bounds(place))
        found: Mask = masks.any(axis=0)
        if self._has_alpha:
            alpha = self._read([len(self._bands) + 1], place)[0]
            opaque = np.iinfo(alpha.dtype).max
            if self._kind.associated and ((alpha > 0) & (alpha < opaque)).any():
                raise DataError(
                    f"{self._path}: stores colors that are multiplied by alpha (ExtraSamples 1), so that "
                    "what is transparent is dark. Save it without transparency, or with unassociated alpha."
                )
            found &= alpha > 0
        return found

    def _keep_8_bits(self, values: npt.NDArray[np.uint16], has_data: Mask) -> Pixels:
        where = has_data[..., np.newaxis]
        if self._bits < MOST_BITS:
            # What marks pixels without data may have more bits than data.
            values = np.where((values >= 1 << self._bits) & ~where, 0, values).astype(np.uint16)
        kept = to_8_bits(values, self._bits, self._path)
        self.greatest = max(self.greatest or 0, int(kept.max(initial=0, where=where)))
        return kept

    def _rows_in_cache(self) -> int:
        height, width, _ = self.shape
        if all(columns < width for _, columns in self._dataset.block_shapes):
            return height
        row_bytes: int = sum(np.dtype(kind).itemsize for kind in self._dataset.dtypes) * width
        return max(1, _CACHE_BYTES // row_bytes)

    def _read(self, bands: list[int], place: Place) -> npt.NDArray[Any]:
        with _reading(self._path):
            values: npt.NDArray[Any] = self._dataset.read(bands, window=self._bounds(place))
        return values

    def _bounds(self, place: Place) -> tuple[tuple[int, int], tuple[int, int]]:
        """Returns the first row and the one after the last, and the columns, as rasterio takes them."""
        rows, columns = (part.indices(length) for part, length in zip(place, self.shape, strict=False))
        return (rows[0], rows[1]), (columns[0], columns[1])


@contextmanager
def open_raster(path: Path, bits: int = MOST_BITS) -> Iterator[Raster]:
    """Opens a TIFF of any size, of which windows are read, until the block ends.

    Gray becomes three equal channels, of 16 bits the upper 8 of those that the values use are kept. A fourth
    band must be alpha.

    Args:
        path: The file.
        bits: How many bits the values of a file of 16 bits use.

    Raises:
        BackendError: If rasterio is not installed.
        DataError: If the file cannot be read or is not a TIFF, has several pages, an orientation, or pixels
            that have no one meaning as an RGB image (`fcn.data.tiff_kinds`); or if it is stored in such large
            blocks that a window cannot be read by itself.
    """
    rasterio = import_optional("rasterio", FEATURE, "geo")
    kind = _check_header(path)
    # Other files beside it are found by name: to list a folder of 100,000 files for each would take long.
    options = {"GDAL_CACHEMAX": _CACHE_BYTES, "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE"}
    with rasterio.Env(**options), warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with _reading(path):
            dataset = rasterio.open(os.path.abspath(path), driver="GTiff")
        with dataset:
            _check_blocks(dataset, path)
            yield Raster(dataset, kind, bits, path)


def _check_header(path: Path) -> TiffKind:
    """Returns the kind of a TIFF whose pixels rasterio reads as `fcn.data.image_io` does.

    Raises:
        DataError: If it is not such a file.
    """
    try:
        with path.open("rb") as file:
            form = find_form(file.read(START_BYTES))
    except OSError:
        form = None  # reading the header says why
    if form is not None and form.name != "TIFF":
        raise DataError(
            f"{path}: expected a TIFF for {FEATURE}. Received: {form.name}. Label it without geotiff and "
            "geopackage, into another folder."
        )
    with reading_header(path, MAX_SIDE**2) as header:
        tags: Any = getattr(header, "tag_v2", {})
        kind = TiffKind(tags)
        orientation = orientation_of(header)
    if orientation != 1:
        raise DataError(
            f"{path}: has orientation {orientation}, which georeferences do not know. {_CONVERT}, or label "
            "it without geotiff and geopackage."
        )
    jpeg = kind.photometric == _YCBCR and kind.compressed
    if not (kind.photometric in (_BLACK_IS_ZERO, _RGB) or jpeg) or kind.bits not in (8, 16):
        raise DataError(
            f"{path}: expected gray from black on, RGB, or JPEG in YCbCr, with 8 or 16 bits a band. "
            f"Received: PhotometricInterpretation {kind.photometric} with {kind.bits} bits. {_CONVERT}: "
            "-expand rgb for a palette."
        )
    return kind


def _check_blocks(dataset: Any, path: Path) -> None:
    """Refuses a file whose tiles or strips are so large that a window is not read by itself.

    Raises:
        DataError: If it is such a file.
    """
    height, width = (max(sides) for sides in zip(*dataset.block_shapes, strict=True))
    size = height * width * np.dtype(dataset.dtypes[0]).itemsize * dataset.count
    if size > _MOST_BLOCK_BYTES:
        raise DataError(
            f"{path}: is stored in blocks of {width} x {height} pixels, {size / 1e9:.1f} GB each, which are "
            f"read whole. {_CONVERT}: gdal_translate -co TILED=YES."
        )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns errors of rasterio about a file into errors with a remedy.

    Raises:
        DataError: If the file cannot be read.
    """
    from rasterio.errors import RasterioError

    try:
        yield
    except UnicodeEncodeError as error:
        raise DataError(
            f"{path}: has a name that is not valid UTF-8, which GDAL cannot open. Rename it."
        ) from error
    except RasterioError as error:
        raise DataError(
            f"{path}: is truncated or a TIFF that cannot be decoded ({_first_cause(error)}). Replace the "
            "file or take it out."
        ) from error


def _first_cause(error: BaseException) -> str:
    """Returns what GDAL said, which is the cause of rasterio's error."""
    return str(error.__cause__ or error).rstrip(".")
