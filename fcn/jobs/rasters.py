"""Labels the rasters of a job: TIFFs, often larger than memory, whose outputs have their georeference."""

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from fcn.data.depth import DARK_BITS, describe_nearly_black
from fcn.data.pillow_decoding import needed_bits
from fcn.data.raster import FEATURE
from fcn.errors import BackendError, DataError, OutputError, RunError
from fcn.inference.predictor import Predictor
from fcn.inference.raster import LabeledRaster, label_raster
from fcn.jobs.integrity import output_path
from fcn.jobs.reading import NO_MEMORY
from fcn.jobs.sources.links import is_url
from fcn.jobs.task import Outcome, Task
from fcn.outputs.areas import areas_of_counts
from fcn.outputs.record import Record
from fcn.outputs.render import RASTER_OUTPUTS, SUFFIXES
from fcn.system.files import content_hash, name_is_too_long, remove, unreadable
from fcn.system.optional import import_optional
from fcn.system.text import print_notice

_PACKAGES = {"geotiff": ("rasterio",), "geopackage": ("rasterio", "pyogrio")}


def writes_rasters(kinds: Collection[str]) -> bool:
    """Returns whether a job labels its images as rasters, by what it writes.

    Example:
        >>> writes_rasters(["geotiff", "areas"]), writes_rasters(["palette"])
        (True, False)
    """
    return not RASTER_OUTPUTS.isdisjoint(kinds)


def check_raster_options(kinds: Collection[str], plain_views: bool, on_ray: bool) -> None:
    """Checks, before a model is loaded, that rasters can be labeled with the options of a command.

    Args:
        kinds: What is written, some of `OUTPUTS`.
        plain_views: Whether each image is labeled as it is.
        on_ray: Whether Ray's actors label, which send whole outputs.

    Raises:
        BackendError: If they cannot, or a package is missing.
    """
    wanted = [kind for kind in kinds if kind in RASTER_OUTPUTS]
    if wanted and "overlay" in kinds:
        raise BackendError(
            f"--overlay: not with --outputs {wanted[0]}, which writes window by window. Leave one out."
        )
    if wanted and on_ray:
        raise BackendError(f"--outputs {wanted[0]}: not with --ray. Label with --workers, or leave one out.")
    if wanted and not plain_views:
        raise BackendError(
            f"--outputs {wanted[0]}: not with --flip or --scales, which need the scores of whole images. "
            "Leave one out."
        )
    for kind in wanted:
        for package in _PACKAGES.get(kind, ()):
            import_optional(package, f"--outputs {kind}", "geo")


def label_claimed_raster(
    predictor: Predictor, claimed: Task, output: Path, kinds: Collection[str]
) -> Outcome:
    """Labels a raster; an error is an outcome, not an exception, so that the job continues.

    Args:
        predictor: The net that labels.
        claimed: The raster.
        output: The folder of the job.
        kinds: What to write, some of `OUTPUTS`.

    Raises:
        BackendError: If a package is missing.
        OutputError: If the folder cannot be written to, the disk is full or the name leads out of it.
    """
    outcome = Outcome(claimed.id, files=claimed.files if claimed.hash else {})
    if is_url(claimed.place):
        return outcome._replace(error=f"is a URL, of which no windows are read for {FEATURE}. Download it.")
    source = Path(claimed.place)
    targets: dict[str, Path] = {}
    try:
        status = os.stat(source)
        outcome = outcome._replace(size=status.st_size, changed=status.st_mtime_ns)
        outcome = outcome._replace(hash=content_hash([source]))
        wanted = [kind for kind in kinds if kind in RASTER_OUTPUTS]
        lacking = [kind for kind in wanted if SUFFIXES[kind] not in outcome.files]
        if outcome.hash != claimed.hash or not lacking:
            outcome, lacking = outcome._replace(files={}), wanted
        targets = {kind: output_path(output, f"{claimed.name}{SUFFIXES[kind]}") for kind in lacking}
        labeled = label_raster(predictor, source, targets.get("geotiff"), targets.get("geopackage"))
        files = {SUFFIXES[kind]: target.stat().st_size for kind, target in targets.items()}
    except OSError as error:
        return outcome._replace(error=unreadable(error))
    except (DataError, RunError) as error:
        return outcome._replace(error=f"cannot be labeled: {str(error).removeprefix(f'{source}: ')}")
    except MemoryError:
        return outcome._replace(error=f"cannot be labeled: {NO_MEMORY}")
    except OutputError as error:
        if not name_is_too_long(error):
            raise
        for target in targets.values():
            remove(target)
        reason = "cannot be labeled: the name of an output would be too long. Rename the image."
        return outcome._replace(error=reason)
    _check_range(labeled, predictor.bits, claimed.path)
    return outcome._replace(files={**outcome.files, **files}, record=_make_record(predictor, labeled))


def _check_range(labeled: LabeledRaster, bits: int, place: str) -> None:
    """Warns of a raster of 16 bits that was nearly black."""
    if labeled.greatest:
        used = needed_bits(np.array(labeled.greatest, np.uint8), bits)
        if used <= bits - DARK_BITS:
            print_notice(f"{describe_nearly_black(place, 'no value above', used, bits)}.")


def _make_record(predictor: Predictor, labeled: LabeledRaster) -> Record:
    height, width = labeled.size
    return {
        "height": height,
        "width": width,
        "mean_confidence": labeled.mean_confidence,
        "doubtful": labeled.doubtful,
        "areas": areas_of_counts(labeled.counts, predictor.classes),
        "annotations": [],
    }
