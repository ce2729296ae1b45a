"""The scores of each image as CSV and JSON, and the worst on a page that opens offline, with reasons."""

import csv
import math
import os
from collections.abc import Sequence
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fcn.classes import Classes
from fcn.evaluation.metrics import none_for_nan
from fcn.pages.percent import percent
from fcn.pages.render import render
from fcn.pages.swatch import class_swatches
from fcn.report.pictures import ShownImage, show_image
from fcn.report.reliability import reliability_picture
from fcn.system.results import write_json_result, write_result
from fcn.system.text import csv_text

if TYPE_CHECKING:  # these import a backend; a page needs none
    from fcn.evaluation.evaluation import Evaluation, ImageScore
    from fcn.inference.predictor import Predictor

CSV, JSON, PAGE = Path("images.csv"), Path("images.json"), Path("worst.html")
RELIABILITY = Path("reliability.svg")
"""Names of the files."""

_SHOWN = 20
"""Number of images on the page."""


class _Worst(NamedTuple):
    """An image on the page.

    Attributes:
        image: The image with its label, its prediction and their difference.
        reason: Its largest mistake, in words.
    """

    image: ShownImage
    reason: str


def write_details(folder: Path, predictor: "Predictor", evaluation: "Evaluation", title: str) -> None:
    """Writes the scores of each image, worst first, a page with the worst, and reliability diagrams.

    Args:
        folder: Where the files go; files of these names are replaced.
        predictor: The net that was scored; it labels the images shown once more.
        evaluation: Its scores; diagrams are drawn of those with calibration.
        title: What was scored.

    Raises:
        DataError: If an image to show can no longer be read.
        OutputError: If the place cannot be written to or the disk is full.
    """
    classes, images = predictor.classes, sort_worst_first(evaluation.images)
    write_result(folder / CSV, images_csv(images, classes))
    write_json_result(folder / JSON, {"images": [_document(image, classes) for image in images]})
    shown = [
        _Worst(show_image(predictor, image), describe_mistake(image, classes))
        for image in images[:_SHOWN]
        if not math.isnan(image.mean_iou)
    ]
    page = render(
        "worst.html",
        name=title,
        num_images=len(images),
        written=datetime.now().astimezone(),
        images=shown,
        legend=class_swatches(classes, range(len(classes.names))),
    )
    write_result(folder / PAGE, page)
    found = (("without temperature", evaluation.calibration), ("with temperature", evaluation.tempered))
    calibrations = [(name, calibration) for name, calibration in found if calibration is not None]
    if len(calibrations) == 1:
        calibrations = [("probabilities", calibrations[0][1])]
    if calibrations:
        write_result(folder / RELIABILITY, reliability_picture(calibrations, title))


def sort_worst_first(images: Sequence["ImageScore"]) -> list["ImageScore"]:
    """Returns images by mean IoU, the lowest first; those without any pixel to score last.

    Args:
        images: The images.
    """
    return sorted(images, key=lambda image: (math.isnan(image.mean_iou), image.mean_iou))


def describe_mistake(image: "ImageScore", classes: Classes) -> str:
    """Returns the largest mistake in an image as a sentence.

    Args:
        image: The image.
        classes: The names of the class ids.
    """
    mistake = image.mistake
    if mistake is None:
        return "No pixel is labeled wrongly."
    true, predicted = classes.names[mistake.true], classes.names[mistake.predicted]
    share = percent(mistake.share, digits=1)
    return f"{share} of its pixels are {true}, labeled as {predicted}, around the {mistake.place}."


def images_csv(images: Sequence["ImageScore"], classes: Classes) -> str:
    """Returns the scores of images as CSV, a row for each: shares from 0 to 1, empty where there are none.

    Args:
        images: The images.
        classes: The names of the class ids.
    """
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    names = ("mean_iou", "pixel_accuracy", "true", "labeled_as", "wrong_share", "place")
    rows.writerow(["image", *names])
    for image in images:
        found = _document(image, classes)
        mistake = found["largest_mistake"] or {}
        rows.writerow(
            [
                csv_text(os.fsencode(found["image"]).decode("utf-8", "replace")),
                *(_cell(found[name]) for name in names[:2]),
                *(csv_text(mistake.get(name, "")) for name in ("true", "labeled_as")),
                _cell(mistake.get("share")),
                mistake.get("place", ""),
            ]
        )
    return text.getvalue()


def _document(image: "ImageScore", classes: Classes) -> dict[str, Any]:
    mistake = image.mistake
    return {
        "image": image.example.name,
        "mean_iou": none_for_nan(image.mean_iou),
        "pixel_accuracy": none_for_nan(image.pixel_accuracy),
        "largest_mistake": mistake
        and {
            "true": classes.names[mistake.true],
            "labeled_as": classes.names[mistake.predicted],
            "pixels": mistake.pixels,
            "share": mistake.share,
            "place": mistake.place,
        },
    }


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
