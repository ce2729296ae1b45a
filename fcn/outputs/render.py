"""Renders a labeled image: its files, and its record for summaries of many images."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from fcn.data.image_io import encode_label
from fcn.outputs.annotation_options import DEFAULTS, AnnotationOptions
from fcn.outputs.coco_document import annotate
from fcn.outputs.prediction import Prediction
from fcn.outputs.prelabels import cvat_elements, labelme_file, merge_small_regions
from fcn.outputs.record import Annotation, Record

RASTER_OUTPUTS = frozenset({"geotiff", "geopackage"})
"""Outputs of TIFFs that are labeled window by window (`fcn.inference.raster`), not by `render`."""

OUTPUTS = (
    *("palette", "ids", "overlay", "uncertainty", "probabilities", "rle", "polygons", "areas"),
    *("labelme", "cvat"),
    *("geotiff", "geopackage"),
)
"""Kinds of outputs: files of each image (`render`) and of all images (`write_summaries`)."""

SUFFIXES = {
    "palette": ".png",
    "ids": ".png",
    "overlay": ".overlay.jpg",
    "uncertainty": ".uncertainty.png",
    "probabilities": ".npz",
    "labelme": ".json",
    "geotiff": ".tif",
    "geopackage": ".gpkg",
}
"""Endings of an image's files, after their common stem."""

ENDINGS = tuple(dict.fromkeys(SUFFIXES.values()))
"""The different endings of files."""

ANNOTATED = ("rle", "polygons", "labelme", "cvat")
"""Kinds that options of annotations are for."""

CORRECTED = (SUFFIXES["labelme"],)
"""Endings of files that people change: another size does not mean that they are damaged."""

_EXCLUSIVE = (("palette", "ids"), ("rle", "polygons"))
_BESIDE_RASTERS = RASTER_OUTPUTS | {"areas"}


class Rendered(NamedTuple):
    """The outputs of a labeled image.

    Attributes:
        files: The content of each file by its ending, one of `SUFFIXES`.
        record: The data for the summaries of a job.
    """

    files: dict[str, bytes]
    record: Record


def check_outputs(kinds: Iterable[str]) -> tuple[str, ...]:
    """Returns the outputs asked for, each once, in the order of `OUTPUTS`.

    Raises:
        ValueError: If there are none, an unknown one, two that would be the same file, or some of rasters
            beside some that need the whole image in memory.

    Example:
        >>> check_outputs(["overlay", "palette", "overlay"])
        ('palette', 'overlay')
    """
    wanted = list(kinds)
    unknown = [kind for kind in wanted if kind not in OUTPUTS]
    if unknown or not wanted:
        coco = " COCO is written by polygons, or by rle." if "coco" in unknown else ""
        raise ValueError(
            f"Expected outputs among {', '.join(OUTPUTS)}. Received: {', '.join(unknown) or 'none'}.{coco}"
        )
    for pair in _EXCLUSIVE:
        if set(pair) <= set(wanted):
            raise ValueError(
                f"Expected only one of {' and '.join(pair)}, which are the same file. Received: both."
            )
    if not RASTER_OUTPUTS.isdisjoint(wanted) and (others := set(wanted) - _BESIDE_RASTERS):
        raise ValueError(
            "Expected only areas beside geotiff and geopackage, which are written window by window. "
            f"Received: {', '.join(sorted(others))}."
        )
    return tuple(kind for kind in OUTPUTS if kind in wanted)


def render(
    kinds: Iterable[str],
    prediction: Prediction,
    options: AnnotationOptions = DEFAULTS,
    most_corners: int | None = None,
    image_path: str = "",
    kept: Collection[str] = (),
) -> Rendered:
    """Renders the files of one image and its record.

    "palette" and "ids" are PNGs of class ids, shown in colors or as 8-bit gray; "overlay" is a JPEG with a
    legend; "uncertainty" is a PNG of 8-bit gray, `Prediction.uncertainty`; "probabilities" is what
    `encode_probabilities` returns. The same image always gives the same bytes.

    Args:
        kinds: Some of `OUTPUTS`, without those of rasters.
        prediction: The image and its label.
        options: Options of annotations.
        most_corners: As of `annotate`.
        image_path: Path of the image, relative to its files, for "labelme".
        kept: Those of `kinds` whose files are not rendered, since they are there; the record is of all kinds.

    Raises:
        TooManyCornersError: If polygons have more.
        ValueError: If `kinds` are invalid, or the prediction has no scores for what they include.

    Example:
        >>> import numpy as np
        >>> from fcn.classes import Classes
        >>> pixels = np.zeros((30, 40, 3), np.uint8)
        >>> prediction = Prediction(pixels, Classes.named(("sky", "sea")), (pixels[..., 0], 0.9))
        >>> rendered = render(["palette"], prediction)
        >>> list(rendered.files), rendered.record["areas"]
        (['.png'], {'sky': 1.0})
    """
    label, classes = prediction.label, prediction.classes
    files: dict[str, bytes] = {}
    annotations: list[Annotation] = []
    left_out = 0
    cvat: str | None = None
    wanted = check_outputs(kinds)
    if {"labelme", "cvat"} & set(wanted):
        least = options.min_area.pixels((label.shape[0], label.shape[1]))
        drawn, left_out = merge_small_regions(label, least)
    for kind in wanted:
        if kind in kept:
            continue
        match kind:
            case "palette":
                files[SUFFIXES[kind]] = encode_label(label, classes)
            case "ids":
                files[SUFFIXES[kind]] = encode_label(label)
            case "overlay":
                files[SUFFIXES[kind]] = prediction.encoded_overlay()
            case "uncertainty":
                files[SUFFIXES[kind]] = encode_label(prediction.uncertainty)
            case "probabilities":
                files[SUFFIXES[kind]] = prediction.encoded_probabilities()
            case "rle" | "polygons":
                annotations, count = annotate(label, classes, kind, options, most_corners)
                left_out = max(left_out, count)
            case "labelme":
                files[SUFFIXES[kind]] = labelme_file(drawn, classes, image_path)
            case "cvat":
                cvat = cvat_elements(drawn, classes)
            case "geotiff" | "geopackage":
                raise ValueError(
                    f"Expected no output of rasters, which `label_raster` writes. Received: {kind}."
                )
    height, width = label.shape
    record: Record = {
        "height": height,
        "width": width,
        "mean_confidence": prediction.mean_confidence,
        "areas": prediction.areas(),
        "annotations": annotations,
    }
    if left_out:
        record["left_out"] = left_out
    if cvat is not None:
        record["cvat"] = cvat
    doubtful = prediction.doubtful
    if doubtful is not None:
        record["doubtful"] = doubtful
    return Rendered(files, record)
