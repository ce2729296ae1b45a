"""Labels a TIFF of any size in windows: a GeoTIFF of its label, and its regions as polygons."""

from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.classes import VOID
from fcn.data.raster import Mask, Place, Raster, open_raster
from fcn.errors import DataError
from fcn.inference.predictor import Predictor
from fcn.outputs.geopackage import write_polygons
from fcn.outputs.geotiff import TILE, LabelWriter, label_file
from fcn.outputs.uncertainty import DOUBTFUL, uncertainty_of
from fcn.system.files import atomic_path, temporary_beside

# Rows of a label wait in memory until their tiles are complete: at most so many bytes of them, if the net's
# smallest window allows.
_WAITING_BYTES = 1 << 28


class LabeledRaster(NamedTuple):
    """A labeled raster.

    Attributes:
        size: (height, width).
        counts: `int64[256]`, how many pixels have each value; those without data are void.
        mean_confidence: Probability of the label, on average over the pixels with data; 0 without any.
        doubtful: Share of the pixels with data whose label has a probability below 0.7; 0 without any.
        greatest: As of `Raster`.
    """

    size: tuple[int, int]
    counts: npt.NDArray[np.int64]
    mean_confidence: float
    doubtful: float
    greatest: int | None = None


def label_raster(
    predictor: Predictor, source: Path, geotiff: Path | None, geopackage: Path | None = None
) -> LabeledRaster:
    """Labels a TIFF of any size in windows that are read from the file; memory does not grow with its height.

    The label of each pixel is that of the whole image, except where rounding decides between two classes that
    are as good as each other. Pixels without data become void, and windows of such pixels alone are not
    computed.

    Args:
        predictor: The net that labels.
        source: The TIFF.
        geotiff: The label to write, with the georeference of the source; None for none.
        geopackage: The polygons to write, in the coordinate reference system of the source; None for none.

    Raises:
        BackendError: If a package is missing.
        DataError: If the source cannot be read as `open_raster` does, or has no coordinate reference system
            for polygons.
        OutputError: If a file cannot be written or the disk is full.
        RunError: If the predictor cannot label in windows.
    """
    with ExitStack() as files, open_raster(source, predictor.bits) as raster:
        target = geotiff or geopackage
        if target is None:
            raise ValueError("Expected a file to write. Received: none.")
        label = files.enter_context(atomic_path(target) if geotiff else temporary_beside(target, ".tif"))
        if geopackage is not None:
            _check_reference(raster, source)
            polygons = files.enter_context(atomic_path(geopackage))
        size = raster.shape[0], raster.shape[1]
        with label_file(label, target, size, raster.georeference, predictor.classes) as writer:
            confidence, doubtful = _label(predictor, raster, writer)
        if geopackage is not None:
            write_polygons(label, polygons, geopackage, predictor.classes)
    return LabeledRaster(size, writer.counts, confidence, doubtful, raster.greatest)


def _label(predictor: Predictor, raster: Raster, writer: LabelWriter) -> tuple[float, float]:
    """Labels a raster window by window; returns mean confidence and doubtful share of pixels with data."""
    window: tuple[Place, Mask] | None = None

    def begin(place: Place) -> bool:
        nonlocal window
        writer.complete(place[0].start)
        window = place, raster.has_data(place)
        return bool(window[1].any())

    total, doubtful, pixels = 0.0, 0, 0
    most_rows = max(TILE, min(raster.most_rows, _WAITING_BYTES // raster.shape[1]))
    for place, part in predictor.predict_parts(raster, begin, most_rows):
        if window is None:
            raise ValueError("Expected a window before its parts. Received: a part.")
        has_data = _inside(window, place)
        writer.put(place, np.where(has_data, part.label, VOID).astype(np.uint8, copy=False))
        total += float(part.confidence.sum(where=has_data, dtype=np.float64))
        doubtful += int(((uncertainty_of(part.confidence) >= DOUBTFUL) & has_data).sum())
        pixels += int(has_data.sum())
    return total / max(1, pixels), doubtful / max(1, pixels)


def _inside(window: tuple[Place, Mask], part: Place) -> Mask:
    """Returns the mask of a part of a window."""
    (rows, columns), mask = window
    return mask[
        part[0].start - rows.start : part[0].stop - rows.start,
        part[1].start - columns.start : part[1].stop - columns.start,
    ]


def _check_reference(raster: Raster, source: Path) -> None:
    """Refuses polygons of a raster whose pixels have no coordinates.

    Raises:
        DataError: If it is such a raster.
    """
    if raster.georeference.crs is None or raster.georeference.control_points[0]:
        raise DataError(
            f"{source}: has no coordinate reference system and transform for polygons. Write them with "
            "gdal_edit or gdalwarp, or leave out geopackage."
        )
