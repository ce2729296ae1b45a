"""Renders a labeled image: its files, and its record for summaries of many images."""

from collections.abc import Iterable
from io import BytesIO
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.classes import Classes
from fcn.data.image_io import Pixels, encode_jpeg, encode_label
from fcn.data.orientation import upright
from fcn.outputs.areas import class_areas
from fcn.outputs.coco import polygon_annotations, rle_annotations
from fcn.outputs.overlay import jpeg_overlay
from fcn.outputs.record import Annotation, Record

Floats = npt.NDArray[np.float32]

OUTPUTS = ("palette", "ids", "overlay", "probabilities", "rle", "polygons", "areas")
"""Kinds of outputs: files of each image (`render`) and of all images (`write_summaries`)."""

SUFFIXES = {"palette": ".png", "ids": ".png", "overlay": ".overlay.jpg", "probabilities": ".npz"}
"""Endings of an image's files, after their common stem."""

ENDINGS = tuple(dict.fromkeys(SUFFIXES.values()))
"""The different endings of files."""

_EXCLUSIVE = (("palette", "ids"), ("rle", "polygons"))


class LabeledImage(NamedTuple):
    """An image and its label.

    Attributes:
        image: `uint8[H, W, 3]`, RGB.
        label: `uint8[H, W]`, class ids.
        mean_confidence: Probability of the label, on average over all pixels, 1/C to 1.
        probabilities: `float32[H, W, C]`; None where they are not an output.
        orientation: EXIF orientation by which overlays are turned; 1 for an upright image. Only jobs that an
            older version started have images in stored pixel order.
    """

    image: Pixels
    label: Pixels
    mean_confidence: float
    probabilities: Floats | None = None
    orientation: int = 1


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
        ValueError: If there are none, an unknown one, or two that would be the same file.

    Example:
        >>> check_outputs(["overlay", "palette", "overlay"])
        ('palette', 'overlay')
    """
    wanted = list(kinds)
    unknown = [kind for kind in wanted if kind not in OUTPUTS]
    if unknown or not wanted:
        raise ValueError(
            f"Expected outputs among {', '.join(OUTPUTS)}. Received: {', '.join(unknown) or 'none'}."
        )
    for pair in _EXCLUSIVE:
        if set(pair) <= set(wanted):
            raise ValueError(
                f"Expected only one of {' and '.join(pair)}, which are the same file. Received: both."
            )
    return tuple(kind for kind in OUTPUTS if kind in wanted)


def render(
    kinds: Iterable[str],
    labeled: LabeledImage,
    classes: Classes,
    min_area: int = 1,
    most_corners: int | None = None,
) -> Rendered:
    """Renders the files of one image and its record.

    "palette" and "ids" are PNGs of class ids, shown in colors or as 8-bit gray; "overlay" is a JPEG with a
    legend; "probabilities" is what `encode_probabilities` returns. The same image always gives the same
    bytes.

    Args:
        kinds: Some of `OUTPUTS`.
        labeled: The image.
        classes: The names and colors of the class ids.
        min_area: As of `polygon_annotations`.
        most_corners: As of `polygon_annotations`.

    Raises:
        TooManyCornersError: If polygons have more.
        ValueError: If `kinds` are invalid, or include probabilities that are not given.

    Example:
        >>> pixels = np.zeros((30, 40, 3), np.uint8)
        >>> labeled = LabeledImage(pixels, pixels[..., 0], 0.9)
        >>> rendered = render(["palette"], labeled, Classes.named(("sky", "sea")))
        >>> list(rendered.files), rendered.record["areas"]
        (['.png'], {'sky': 1.0})
    """
    files: dict[str, bytes] = {}
    annotations: list[Annotation] = []
    for kind in check_outputs(kinds):
        match kind:
            case "palette":
                files[SUFFIXES[kind]] = encode_label(labeled.label, classes)
            case "ids":
                files[SUFFIXES[kind]] = encode_label(labeled.label)
            case "overlay":
                image, label = (upright(part, labeled.orientation) for part in labeled[:2])
                files[SUFFIXES[kind]] = encode_jpeg(jpeg_overlay(image, label, classes))
            case "probabilities":
                if labeled.probabilities is None:
                    raise ValueError("Expected `labeled.probabilities` for this output. Received: None.")
                files[SUFFIXES[kind]] = encode_probabilities(labeled.probabilities, classes)
            case "rle":
                annotations = rle_annotations(labeled.label)
            case "polygons":
                annotations = polygon_annotations(labeled.label, min_area, most_corners)
    height, width = labeled.label.shape
    record: Record = {
        "height": height,
        "width": width,
        "mean_confidence": labeled.mean_confidence,
        "areas": class_areas(labeled.label, classes),
        "annotations": annotations,
    }
    return Rendered(files, record)


def encode_probabilities(probabilities: Floats, classes: Classes) -> bytes:
    """Encodes probabilities as a compressed `.npz` file that `numpy.load` reads.

    Its arrays are `probabilities`, `float16[H, W, C]`, and `classes`, the C names. The error of half
    precision is at most 2^-12 (0.00024), and above 2^-14 at most 2^-11 of the value, so that small
    probabilities can still be compared; bytes would take half the space with an error of 0.002.

    Args:
        probabilities: `float32[H, W, C]`, 0 to 1.
        classes: The names of the C classes.
    """
    buffer = BytesIO()
    halves: npt.NDArray[np.float16] = probabilities.astype(np.float16)
    np.savez_compressed(buffer, probabilities=halves, classes=np.array(classes.names))
    return buffer.getvalue()
