"""Writes labels as GeoTIFFs: tiled, compressed, with the colors of the classes and void as nodata."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fcn.classes import VOID, Classes, count_ids
from fcn.data.image_io import Pixels
from fcn.data.raster import FEATURE, Georeference, Place
from fcn.system.files import unwritable
from fcn.system.optional import import_optional

TILE = 512
"""Rows and columns of a tile."""

# The smallest overview has at most this many rows and columns: what QGIS shows of a whole image.
_OVERVIEW_SIDE = 1024


class LabelWriter:
    """A label that is written from its first row to its last; pixels that it is not given are void.

    Memory: the rows of tiles that are not complete.

    Args:
        dataset: The file as rasterio opened it, for writing.

    Attributes:
        counts: `int64[256]`, how many pixels that were written have each value.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._height, self._width = int(dataset.height), int(dataset.width)
        self._waiting: dict[int, Pixels] = {}
        self._top = 0
        self.counts: npt.NDArray[np.int64] = np.zeros(256, np.int64)

    def put(self, place: Place, label: Pixels) -> None:
        """Puts a part of the label, `uint8[h, w]`, into rows that are not complete.

        Raises:
            ValueError: If a row was completed before.
        """
        rows, columns = place
        if rows.start < self._top:
            raise ValueError(f"Expected rows from {self._top} on. Received: {rows.start}.")
        for index in range(rows.start // TILE, -(-rows.stop // TILE)):
            first, stop = max(rows.start, index * TILE), min(rows.stop, (index + 1) * TILE)
            tiles = self._waiting.get(index)
            if tiles is None:
                tiles = self._waiting[index] = self._void_rows(index)
            tiles[first - index * TILE : stop - index * TILE, columns] = label[
                first - rows.start : stop - rows.start
            ]

    def complete(self, stop: int) -> None:
        """Writes all tiles whose rows lie before `stop`; no more parts will be put there."""
        while self._top < self._height and min(self._top + TILE, self._height) <= stop:
            index = self._top // TILE
            tiles = self._waiting.pop(index, None)
            if tiles is None:
                tiles = self._void_rows(index)
            self._dataset.write(tiles, 1, window=((self._top, self._top + len(tiles)), (0, self._width)))
            self.counts += count_ids(tiles)
            self._top += len(tiles)

    def _void_rows(self, index: int) -> Pixels:
        return np.full((min(TILE, self._height - index * TILE), self._width), VOID, np.uint8)


@contextmanager
def label_file(
    path: Path, target: Path, size: tuple[int, int], georeference: Georeference, classes: Classes
) -> Iterator[LabelWriter]:
    """Yields a writer of a GeoTIFF, which is complete and was read back when the block has ended.

    It has one band of class ids, shown in the colors of the classes, void as nodata, smaller copies
    (overviews), and the names of the classes as tags `CLASS_0`, `CLASS_1` and so on.

    Args:
        path: The file to write.
        target: Its final name, for errors.
        size: (height, width).
        georeference: The place on the ground of the image.
        classes: The names and colors of the class ids.

    Raises:
        BackendError: If rasterio is not installed.
        OutputError: If the file cannot be written or the disk is full.
    """
    rasterio = import_optional("rasterio", FEATURE, "geo")
    height, width = size
    crs, transform, control_points, rpcs = georeference
    options = {"crs": crs, "transform": transform} if not control_points[0] else {}
    layout = {"tiled": True, "blockxsize": TILE, "blockysize": TILE, "compress": "deflate"}
    with _writing(target):
        dataset = rasterio.open(
            *(os.path.abspath(path), "w"),
            **{"driver": "GTiff", "dtype": "uint8", "count": 1, "nodata": VOID, "BIGTIFF": "IF_SAFER"},
            **{"height": height, "width": width, **options, **layout},
        )
        with dataset:
            if control_points[0]:
                dataset.gcps = control_points
            if rpcs is not None:
                dataset.rpcs = rpcs
            colors = classes.full_palette().tolist()
            dataset.write_colormap(1, {value: tuple(color) for value, color in enumerate(colors)})
            dataset.update_tags(1, **{f"CLASS_{value}": name for value, name in enumerate(classes.names)})
            writer = LabelWriter(dataset)
            yield writer
            writer.complete(height)
        levels = [2**level for level in range(1, _count_overviews(size) + 1)]
        if levels:
            with rasterio.open(os.path.abspath(path), "r+") as dataset:
                dataset.build_overviews(levels, rasterio.enums.Resampling.nearest)
        _check_written(rasterio, path, target, writer.counts, levels)


def _count_overviews(size: tuple[int, int]) -> int:
    """Returns how often the longer side is halved.

    Example:
        >>> _count_overviews((100, 1024)), _count_overviews((100, 1025)), _count_overviews((40_000, 40_000))
        (0, 1, 6)
    """
    return max(0, math.ceil(math.log2(max(size) / _OVERVIEW_SIDE)))


def _check_written(
    rasterio: Any, path: Path, target: Path, counts: npt.NDArray[np.int64], levels: list[int]
) -> None:
    """Reads a label back: GDAL does not always report that a disk is full.

    Raises:
        OutputError: If it has other pixels or overviews than were written.
    """
    with rasterio.open(os.path.abspath(path)) as dataset:
        complete = dataset.overviews(1) == levels and bool((_count_values(dataset) == counts).all())
    if not complete:
        raise unwritable(target, OSError("other pixels were read than were written"))
    for level in range(len(levels)):
        with rasterio.open(os.path.abspath(path), overview_level=level) as dataset:
            _count_values(dataset)  # what is missing cannot be read


def _count_values(dataset: Any) -> npt.NDArray[np.int64]:
    counts = np.zeros(256, np.int64)
    for top in range(0, dataset.height, TILE):
        rows = (top, min(top + TILE, dataset.height))
        counts += count_ids(dataset.read(1, window=(rows, (0, dataset.width))))
    return counts


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turns errors of rasterio into errors with a remedy.

    Raises:
        OutputError: If the file cannot be written or the disk is full.
    """
    from rasterio.errors import RasterioError

    try:
        yield
    except RasterioError as error:
        raise unwritable(target, OSError(str(error.__cause__ or error))) from error
