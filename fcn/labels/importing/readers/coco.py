"""Reads COCO's JSON: files of images, categories and annotations, each for one split or for all images.

Source: the description of the format on COCO's page, and pycocotools. Annotations are drawn by falling area,
so that small objects stay visible on large ones; of equal ones, later ones cover earlier ones. The area is
measured on the shape: many tools write another number, or 0. A crowd is labeled as its class.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fcn.errors import DataError
from fcn.labels.importing.blank_shapes import BlankShapes
from fcn.labels.importing.filling import check_points, check_runs, fill_as_coco, read_runs
from fcn.labels.importing.folders import name_below
from fcn.labels.importing.image_index import ImageIndex
from fcn.labels.importing.labeled_size import check_labeled_size
from fcn.labels.importing.readers.coco_classes import NumberedClasses, number_classes
from fcn.labels.importing.readers.coco_files import CocoFile, find_files, has_shape
from fcn.labels.importing.readers.coco_files import recognizes as recognizes
from fcn.labels.importing.source import BACKGROUND_KEY, Item, Keys, Source
from fcn.labels.importing.split_lists import split_of_folder
from fcn.system.text import counted

NAME = "coco"

_MAX_SHAPES = 100_000
_SHOWN = 80


class _Shape(NamedTuple):
    """An annotation: its place in the file, also for messages, the key of its class, and its segmentation."""

    number: int
    place: str
    key: int
    segmentation: object


def read(folder: Path, chosen: Sequence[Path] = ()) -> Source:
    """Returns the images below a folder that files of COCO list, with or without annotations.

    Raises:
        DataError: If a file is damaged, is another form of COCO, or no image of it is there.
    """
    files, notes = find_files(folder, chosen)
    classes = number_classes({file.path: file.document["categories"] for file in files})
    index, blanks = ImageIndex(folder), BlankShapes()
    counts: Counter[str] = Counter()
    items: dict[Path, Item] = {}
    missing: list[str] = []
    for file in files:
        for image, name, labeled, shapes in _images(file, classes, counts):
            path = index.find(name, file.path, file.split)
            if path is None:
                missing.append(f"{name[:_SHOWN]!r} ({file.path.name})")
                continue
            if path in items:
                raise DataError(
                    f"{file.path}: image {_show(image)} is {path}, which {items[path].where} also lists"
                    f"{' elsewhere' if items[path].where == file.path else ''}. Keep one of them."
                )
            split = file.split or split_of_folder(path.relative_to(folder).as_posix())
            draw = partial(_draw, file.path, name, labeled, shapes, blanks)
            items[path] = Item(name_below(folder, path), path, draw, file.path, split)
            counts["empty"] += not shapes
    if not items:
        shown = f", such as {missing[0]}" if missing else ""
        raise DataError(f"{files[0].path}: none of its images is below {folder}{shown}. Put them there.")
    unlisted = sorted(set(index.images) - items.keys())
    notes += _notes(counts, missing, unlisted) + list(classes.notes)
    ordered = sorted(items.values(), key=lambda item: item.name)
    return Source(
        NAME,
        ordered,
        classes.by_key,
        notes=tuple(notes),
        implies_background=not classes.has_background,
        blanks=(blanks,),
    )


def _images(
    file: CocoFile, classes: NumberedClasses, counts: Counter[str]
) -> Iterator[tuple[object, str, tuple[int, int] | None, list[_Shape]]]:
    """Yields id, name, (height, width) and annotations of each image of a file.

    Raises:
        DataError: If the file is damaged.
    """
    shapes: dict[object, list[_Shape]] = {}
    for number, image in enumerate(file.document["images"]):
        if not isinstance(image, dict) or not isinstance(image.get("file_name"), str):
            raise DataError(f"{file.path}: images[{number}] has no file_name. Export the file again.")
        if not _is_id(image.get("id")) or image["id"] in shapes:
            raise DataError(f"{file.path}: images[{number}] has no id of its own. Export the file again.")
        shapes[image["id"]] = []
    for number, one in enumerate(file.document["annotations"]):
        place = f"annotations[{number}]"
        if not isinstance(one, dict) or not _is_id(one.get("image_id")):
            raise DataError(f"{file.path}: {place} has no image_id. Export the file again.")
        if one["image_id"] not in shapes:
            counts["homeless"] += 1
            continue
        if not has_shape(one.get("segmentation")):
            counts["boxes"] += 1
            continue
        key = classes.key_of(file.path, place, one.get("category_id"))
        counts["crowds"] += one.get("iscrowd") == 1
        known = shapes[one["image_id"]]
        known.append(_Shape(number, f"{place} (id {_show(one.get('id'))})", key, one["segmentation"]))
        if len(known) > _MAX_SHAPES:
            raise DataError(
                f"{file.path}: {place}: expected at most {_MAX_SHAPES:,} annotations of an image. Divide it."
            )
    for image in file.document["images"]:
        height, width = image.get("height"), image.get("width")
        labeled = (height, width) if isinstance(height, int) and isinstance(width, int) else None
        yield image["id"], image["file_name"], labeled, shapes[image["id"]]


def _show(value: object) -> str:
    return ascii(value)[:_SHOWN]


def _is_id(value: object) -> bool:
    return isinstance(value, int | str)


def _notes(counts: Mapping[str, int], missing: Sequence[str], unlisted: Sequence[Path]) -> list[str]:
    notes = []
    if counts["empty"]:
        notes.append(
            f"{counted(counts['empty'], 'image has', 'images have')} no annotation: all of them is background"
        )
    if counts["boxes"]:
        notes.append(
            f"{counted(counts['boxes'], 'annotation has', 'annotations have')} a box and no segmentation: "
            "left out, so that their pixels count as background"
        )
    if counts["crowds"]:
        notes.append(
            counted(
                counts["crowds"],
                "crowd (iscrowd) was labeled as its class",
                "crowds (iscrowd) were labeled as their class",
            )
        )
    if counts["homeless"]:
        notes.append(
            f"{counted(counts['homeless'], 'annotation belongs', 'annotations belong')} to no image of the "
            "file: left out"
        )
    if missing:
        notes.append(
            f"{counted(len(missing), 'image is', 'images are')} listed, but not there: left out, such as "
            f"{missing[0]}"
        )
    if unlisted:
        notes.append(
            f"{counted(len(unlisted), 'image is', 'images are')} in no list: left out, such as {unlisted[0]}"
        )
    return notes


def _draw(
    where: Path,
    name: str,
    labeled: tuple[int, int] | None,
    shapes: Sequence[_Shape],
    blanks: BlankShapes,
    size: tuple[int, int],
) -> Keys:
    check_labeled_size(where, name, labeled, size)
    keys = np.full(size, BACKGROUND_KEY, np.int32)
    drawn: list[tuple[float, _Shape]] = []
    for shape in shapes:
        with _naming(where, shape):
            area, segmentation = _measure(shape.segmentation, keys.size)
            drawn.append((area, shape._replace(segmentation=segmentation)))
    for _, shape in sorted(drawn, key=lambda one: -one[0]):
        with _naming(where, shape):
            if not fill_as_coco(keys, shape.segmentation, shape.key):
                blanks.add(where, shape.number, shape.place)
    return keys


@contextmanager
def _naming(where: Path, shape: _Shape) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise DataError(f"{where}: {shape.place}: {error}. Correct or delete it.") from error


def _measure(segmentation: object, pixels: int) -> tuple[float, object]:
    """Returns the area of a segmentation, and the segmentation with run lengths as numbers.

    Raises:
        ValueError: If it is damaged.
    """
    if isinstance(segmentation, dict):
        counts = segmentation.get("counts")
        runs = check_runs(read_runs(counts) if isinstance(counts, str) else counts, pixels)
        return float(runs[1::2].sum()), {"size": segmentation.get("size"), "counts": runs}
    area = 0.0
    for polygon in segmentation if isinstance(segmentation, list) else ():
        x, y = check_points(polygon).T
        area += abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2
    return area, segmentation
