"""A survey on one HTML page that opens offline."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from fcn.classes import VOID, Classes, Color
from fcn.data.examination import Facts
from fcn.data.image_io import Pixels, encode_jpeg
from fcn.data.split_list import Example
from fcn.data.voc import read_example
from fcn.labels.checking.look import Seen, SmallObject
from fcn.labels.checking.survey import Survey
from fcn.outputs.overlay import tint
from fcn.outputs.overlay_style import DEFAULT_STYLE
from fcn.pages.picture import Picture, embed
from fcn.pages.render import render
from fcn.system.results import write_result
from fcn.system.text import counted

_OVERLAYS_OF_A_CLASS = 3
# A page with more takes long to open; all classes are in the table.
_MOST_CLASSES_SHOWN = 60
_SMALLEST_SHOWN, _SMALLEST_OF_A_CLASS = 12, 2
_FILES_SHOWN = 100
_LONGER_SIDE = 320
# Around a small object, on each side; an object of one pixel could not be recognized alone.
_MARGIN = 24
_CROP_SIDE = 160
_OUTLINE = (235, 45, 45)


class _ClassPictures(NamedTuple):
    """A class and the images that show it."""

    name: str
    color: Color
    pictures: list[Picture]


def write_page(path: Path, survey: Survey) -> None:
    """Writes the page: numbers, findings, classes, overlays of each class, and the smallest objects.

    Args:
        path: The file to write.
        survey: What to show, from `check_dataset`.

    Raises:
        DataError: If an image to show can no longer be read.
        OutputError: If the place cannot be written to or the disk is full.
    """
    examples = survey.examination.examples
    read = [
        (example, one)
        for example, one in zip(examples, survey.examination.facts, strict=True)
        if one is not None
    ]
    seen = [one for _, one in survey.seen()]
    colors = DEFAULT_STYLE.recolor(survey.classes).full_palette().tolist()
    page = render(
        "data_check.html",
        name=survey.root.resolve().name,
        root=str(survey.root),
        splits=survey.splits,
        num_classes=len(survey.classes.names),
        refused=survey.refused(),
        warnings=survey.warnings(),
        files_shown=_FILES_SHOWN,
        counts=[
            one._replace(color=(*colors[one.id],)) for one in survey.counts if one.id != VOID or one.pixels
        ],
        largest_share=max((one.share for one in survey.counts if one.id != VOID), default=0) or 1,
        sizes=survey.sizes[:8],
        num_sizes=len(survey.sizes),
        forms=Counter(one.form for one in seen).most_common(8),
        orientations=sorted(Counter(one.orientation for one in seen).items()),
        num_positions=sum(one.has_position for one in seen),
        shown=[*_class_pictures(survey.classes, read)],
        smallest=[*_smallest_pictures(survey.classes, read)],
    )
    write_result(path, page)


def _class_pictures(classes: Classes, read: Sequence[tuple[Example, Facts]]) -> Iterator[_ClassPictures]:
    """Yields for each class that occurs the images in which it is largest, average and smallest."""
    for class_id, (name, color) in enumerate(zip(*DEFAULT_STYLE.recolor(classes), strict=True)):
        if class_id >= _MOST_CLASSES_SHOWN:
            return
        ranked = sorted(
            (pair for pair in read if class_id in pair[1].pixels),
            key=lambda pair: -pair[1].pixels[class_id] / sum(pair[1].pixels.values()),
        )
        places = np.linspace(0, len(ranked) - 1, min(_OVERLAYS_OF_A_CLASS, len(ranked))).round().astype(int)
        pictures = [_overlay(ranked[place][0], classes) for place in dict.fromkeys(places.tolist())]
        if pictures:
            yield _ClassPictures(name, color, pictures)


def _overlay(example: Example, classes: Classes) -> Picture:
    image, label = read_example(example, len(classes.names))
    image, label = _scaled(image, label, min(1.0, _LONGER_SIDE / max(label.shape)))
    picture = tint(image, label, classes)
    name = example.image_path.name
    return embed(name, f"Classes of {name} over the image", "jpeg", encode_jpeg(picture), picture.shape)


def _scaled(image: Pixels, label: Pixels, scale: float) -> tuple[Pixels, Pixels]:
    height, width = label.shape
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return (
        cv2.resize(image, size, interpolation=method).astype(np.uint8, copy=False),
        cv2.resize(label, size, interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8, copy=False),
    )


def _smallest_pictures(classes: Classes, read: Sequence[tuple[Example, Facts]]) -> Iterator[Picture]:
    """Yields the smallest objects of the data set with what is around them: at most one of an image."""
    found: list[tuple[SmallObject, Example]] = []
    for example, one in read:
        if isinstance(one.seen, Seen) and one.seen.smallest:
            found.append((min(one.seen.smallest, key=lambda small: small.pixels), example))
    classes_shown: Counter[int] = Counter()

    def is_shown(small: SmallObject) -> bool:
        classes_shown[small.class_id] += 1
        return classes_shown[small.class_id] <= _SMALLEST_OF_A_CLASS

    ranked = sorted(found, key=lambda pair: pair[0].pixels)
    for small, example in [pair for pair in ranked if is_shown(pair[0])][:_SMALLEST_SHOWN]:
        image, _ = read_example(example, len(classes.names))
        top, left, height, width = small.box
        rows = slice(max(0, top - _MARGIN), top + height + _MARGIN)
        columns = slice(max(0, left - _MARGIN), left + width + _MARGIN)
        crop = np.ascontiguousarray(image[rows, columns])
        scale = _CROP_SIDE / max(crop.shape[:2])
        size = max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
        crop = cv2.resize(crop, size, interpolation=method).astype(np.uint8, copy=False)
        corner = round((left - columns.start) * scale) - 2, round((top - rows.start) * scale) - 2
        opposite = corner[0] + round(width * scale) + 3, corner[1] + round(height * scale) + 3
        cv2.rectangle(crop, corner, opposite, _OUTLINE, 1)
        name = classes.names[small.class_id]
        caption = f"{counted(small.pixels, 'pixel')} of {name}"
        description = f"{caption} in {example.image_path.name}"
        yield embed(caption, description, "jpeg", encode_jpeg(crop), crop.shape, (example.image_path.name,))
