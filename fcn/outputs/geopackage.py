"""Writes the regions of a label as polygons in a GeoPackage, in the coordinates of the label."""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fcn.classes import VOID, Classes
from fcn.system.files import unwritable
from fcn.system.optional import import_optional
from fcn.system.progress import track

FEATURE = "--outputs geopackage"
"""The name of what needs pyogrio, for messages."""

LAYER = "label"
"""Name of the layer."""

PART = 4096
"""Rows and columns of the parts in which polygons are traced; a region that lies in several is cut there."""

_FIELDS = ("class_id", "class", "pixels")
_LITTLE_ENDIAN, _POLYGON = 1, 3

Points = npt.NDArray[np.float64]


def write_polygons(label: Path, path: Path, target: Path, classes: Classes) -> None:
    """Writes the connected regions of each class as polygons along the edges of pixels, with holes.

    Pixels that touch at a corner are not connected. A label is cut into parts of 4,096 x 4,096 pixels first,
    and regions with it; the polygons at a cut have the same edge, without a gap. Void is left out. The fields
    of each polygon are the class id, the name of the class, and the number of pixels.

    Args:
        label: A GeoTIFF with a coordinate reference system, as `label_file` writes it.
        path: The file to write; missing.
        target: Its final name, for errors.
        classes: The names of the class ids.

    Raises:
        BackendError: If a package is missing.
        OutputError: If the file cannot be written or the disk is full.
    """
    rasterio = import_optional("rasterio", FEATURE, "geo")
    pyogrio = import_optional("pyogrio", FEATURE, "geo")
    features = import_optional("rasterio.features", FEATURE, "geo")
    with rasterio.open(os.path.abspath(label)) as dataset:
        layer = _Layer(pyogrio, path, target, dataset.crs.to_wkt(), classes)
        layer.add([], [], [])
        for top, left in track(_corners(dataset.height, dataset.width), "tracing polygons", lines=True):
            window = ((top, min(top + PART, dataset.height)), (left, min(left + PART, dataset.width)))
            part = dataset.read(1, window=window)
            layer.add(*_trace(features, part, (top, left), dataset.transform))
    layer.check()


def _corners(height: int, width: int) -> list[tuple[int, int]]:
    return [(top, left) for top in range(0, height, PART) for left in range(0, width, PART)]


def _trace(
    features: Any, part: npt.NDArray[np.uint8], corner: tuple[int, int], transform: Any
) -> tuple[list[bytes], list[int], list[int]]:
    """Returns the polygons of a part of a label in well-known binary, their classes and their pixels."""
    shapes, values, sizes = [], [], []
    for geometry, value in features.shapes(part, mask=part != VOID, connectivity=4):
        rings = [np.array(ring, np.float64) + corner[::-1] for ring in geometry["coordinates"]]
        areas = [_signed_area(ring) for ring in rings]
        sizes.append(round(2 * abs(areas[0]) - sum(map(abs, areas))))
        values.append(int(value))
        shapes.append(
            _encode_polygon([_place_ring(ring, transform, not index) for index, ring in enumerate(rings)])
        )
    return shapes, values, sizes


def _signed_area(ring: Points) -> float:
    """Returns the area within a closed ring, `float64[n, 2]`; negative if its direction is clockwise.

    Example:
        >>> _signed_area(np.array([[0, 0], [2, 0], [2, 1], [0, 1], [0, 0]], np.float64))
        2.0
    """
    # From the first point, so that products of large coordinates do not cancel.
    x, y = (ring - ring[0]).T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


def _place_ring(ring: Points, transform: Any, is_outer: bool) -> Points:
    """Returns a ring of columns and rows in coordinates, an outer one counterclockwise, a hole clockwise."""
    columns, rows = ring.T
    a, b, c, d, e, f = tuple(transform)[:6]
    placed = np.stack([a * columns + b * rows + c, d * columns + e * rows + f], axis=1)
    return placed if (_signed_area(placed) > 0) == is_outer else placed[::-1]


def _encode_polygon(rings: list[Points]) -> bytes:
    """Returns a polygon in well-known binary (OGC Simple Features, section 8).

    Example:
        >>> len(_encode_polygon([np.zeros((4, 2))]))
        77
    """
    parts = [struct.pack("<BII", _LITTLE_ENDIAN, _POLYGON, len(rings))]
    for ring in rings:
        parts += [struct.pack("<I", len(ring)), np.ascontiguousarray(ring, "<f8").tobytes()]
    return b"".join(parts)


class _Layer:
    """The layer of polygons in a file, to which more are added.

    Raises:
        OutputError: If it cannot be written.
    """

    def __init__(self, pyogrio: Any, path: Path, target: Path, crs: str, classes: Classes) -> None:
        self._pyogrio, self._path, self._target, self._crs = pyogrio, path, target, crs
        self._names = np.array(classes.names, object)
        self._added = 0

    def add(self, shapes: list[bytes], values: list[int], sizes: list[int]) -> None:
        ids = np.array(values, np.int32)
        with self._writing():
            self._pyogrio.raw.write(
                os.path.abspath(self._path),
                geometry=np.array(shapes, object),
                field_data=[ids, self._names[ids], np.array(sizes, np.int64)],
                fields=list(_FIELDS),
                layer=LAYER,
                driver="GPKG",
                geometry_type="Polygon",
                crs=self._crs,
                append=self._path.exists(),
            )
        self._added += len(shapes)

    def check(self) -> None:
        """Counts the polygons in the file: GDAL does not always report that a disk is full.

        Raises:
            OutputError: If there are more or fewer than were added.
        """
        with self._writing():
            info = self._pyogrio.read_info(os.path.abspath(self._path), layer=LAYER, force_feature_count=True)
        if info["features"] != self._added:
            reason = f"{info['features']} of {self._added} polygons were written"
            raise unwritable(self._target, OSError(reason))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        from pyogrio.errors import DataLayerError, DataSourceError

        try:
            yield
        except (DataLayerError, DataSourceError) as error:
            raise unwritable(self._target, OSError(str(error))) from error
