"""Reads labels of YOLO segmentation: a text file for each image, with a polygon in each line.

Source: Ultralytics' documentation of its data sets. A line is the number of a class and the corners of a
polygon, as shares of the width and height. Corners are multiplied as 32-bit floats and cut to whole pixels,
and polygons are filled by OpenCV's `fillPoly`, as Ultralytics' function `polygon2mask` does; smaller ones
cover larger ones.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from fcn.errors import DataError
from fcn.labels.importing.blank_shapes import BlankShapes
from fcn.labels.importing.class_lists import find_classes
from fcn.labels.importing.filling import fill_as_opencv
from fcn.labels.importing.folders import find_files, name_below, read_document
from fcn.labels.importing.image_index import ImageIndex
from fcn.labels.importing.readers.yolo_data_file import read_data_file
from fcn.labels.importing.source import (
    BACKGROUND,
    BACKGROUND_KEY,
    BACKGROUND_NAMES,
    Item,
    Keys,
    Source,
    SourceClass,
)
from fcn.labels.importing.split_lists import split_of_folder
from fcn.system.files import unreadable
from fcn.system.text import counted

NAME = "yolo"

_LINE = re.compile(r"\d+(\.0*)?([ \t]+[-+0-9.eE]+){4,}")
_LOOKED_AT = 200
_MAX_NUMBER = 65_536
_MAX_SHAPES = 100_000
_LEAST, _MOST = -0.01, 1.01
"""Ultralytics accepts corners that are outside of the image by one percent."""
_FEWEST_NUMBERS = 6
_SHOWN = 60

Corners = npt.NDArray[np.float32]


class _Pair(NamedTuple):
    image: Path
    label: Path | None


def recognizes(folder: Path, chosen: Sequence[Path] = ()) -> bool:
    """Returns whether a folder holds images with text files in which a line is a class and shares."""
    if chosen:
        return bool(read_data_file(folder, ImageIndex(folder), chosen).names)
    labels = [pair.label for pair in _pairs(ImageIndex(folder), folder) if pair.label is not None]
    return any(_LINE.fullmatch(_first_line(path)) for path in labels[:_LOOKED_AT])


def read(folder: Path, chosen: Sequence[Path] = ()) -> Source:
    """Returns the images below a folder; those without objects are background.

    Raises:
        DataError: If there are no labels, or `data.yaml` is damaged.
    """
    index = ImageIndex(folder)
    pairs = list(_pairs(index, folder))
    found = read_data_file(folder, index, chosen)
    names = found.names or {one.id: one.name for one in find_classes(folder) if not one.is_void}
    notes = list(found.notes)
    if not names:
        notes.append("no file names the classes, such as data.yaml; they are called class 0, class 1, ...")
    labeled_folders = {pair.image.parent for pair in pairs if pair.label is not None}
    if not labeled_folders:
        raise DataError(f"{folder}: holds no labels of YOLO, such as labels/a.txt for images/a.jpg.")
    key_of = {
        number: BACKGROUND_KEY if name.lower() in BACKGROUND_NAMES else number + 1
        for number, name in names.items()
    }
    items: list[Item] = []
    blanks = BlankShapes()
    unlabeled = left_out = 0
    for image, label in pairs:
        if label is None and image.parent not in labeled_folders and image not in found.splits:
            left_out += 1
            continue
        unlabeled += label is None
        name = image.relative_to(folder).as_posix()
        split = found.splits[image] if image in found.splits else split_of_folder(name)
        draw = partial(_draw, label, key_of, blanks)
        items.append(Item(name_below(folder, image), image, draw, label or image, split))
    if unlabeled:
        notes.append(
            f"{counted(unlabeled, 'image has', 'images have')} no label file: all of them is background"
        )
    if left_out:
        notes.append(f"{counted(left_out, 'image is', 'images are')} in folders without labels: left out")
    classes = {BACKGROUND_KEY: SourceClass(BACKGROUND)}
    classes |= {
        key_of[number]: SourceClass(name, number=number) for number, name in names.items() if key_of[number]
    }
    items.sort(key=lambda item: item.name)
    name_of = None if names else _unnamed
    implied = BACKGROUND_KEY not in key_of.values()
    return Source(
        NAME, items, classes, name_of, notes=tuple(notes), implies_background=implied, blanks=(blanks,)
    )


def _unnamed(key: int) -> SourceClass:
    return SourceClass(f"class {key - 1}", number=key - 1)


def _pairs(index: ImageIndex, folder: Path) -> Iterator[_Pair]:
    """Yields each image with its label file, in the folder `labels` for `images`, or beside it."""
    texts = {path.relative_to(folder).as_posix(): path for path in find_files(folder, (".txt",))}
    for image in index.images:
        parts = list(image.relative_to(folder).with_suffix(".txt").parts)
        beside = texts.get("/".join(parts))
        places = [place for place, part in enumerate(parts[:-1]) if part.lower() == "images"]
        if places:
            parts[places[-1]] = "labels"
        yield _Pair(image, texts.get("/".join(parts), beside))


def _first_line(path: Path) -> str:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            return file.readline(1 << 16).strip()
    except OSError as error:
        raise DataError(f"{path}: {unreadable(error)}") from error


def _draw(label: Path | None, key_of: Mapping[int, int], blanks: BlankShapes, size: tuple[int, int]) -> Keys:
    keys = np.full(size, BACKGROUND_KEY, np.int32)
    if label is None:
        return keys
    scale = np.array([size[1], size[0]], np.float32)
    shapes = []
    for line, key, corners in _read_lines(label, key_of):
        polygon = (corners * scale).astype(np.int32)
        shapes.append((_count_pixels(polygon, size), polygon, key))
        if not shapes[-1][0]:
            blanks.add(label, line, f"line {line}")
    for _, polygon, key in sorted(shapes, key=lambda shape: -shape[0]):
        fill_as_opencv(keys, [polygon.tolist()], key)
    return keys


def _read_lines(path: Path, key_of: Mapping[int, int]) -> Iterator[tuple[int, int, Corners]]:
    """Yields the number, the key and the corners, `float32[N, 2]`, of each line.

    Raises:
        DataError: If a line is not a polygon of a known class.
    """
    count = 0
    for place, line in enumerate(read_document(path).splitlines(), start=1):
        if not line.strip():
            continue
        count += 1
        where = f"{path}: line {place}"
        if count > _MAX_SHAPES:
            raise DataError(f"{where}: expected at most {_MAX_SHAPES:,} objects of an image. Divide it.")
        if _LINE.fullmatch(line.strip()) is None:
            raise DataError(
                f"{where}: expected a class and the corners of a polygon, x y, as shares. Received: "
                f"{line[:_SHOWN]!a}."
            )
        first, *rest = line.split()
        try:
            number = int(first.partition(".")[0])
            values = np.array([float(text) for text in rest], np.float64)
        except ValueError as error:
            raise DataError(f"{where}: {str(error)[:_SHOWN]}. Export the labels again.") from error
        if key_of and number not in key_of:
            raise DataError(f"{where}: has the class {number}, which has no name. Add it to data.yaml.")
        if number >= _MAX_NUMBER:
            raise DataError(f"{where}: has the class {number}. Expected less than {_MAX_NUMBER:,}.")
        yield place, key_of.get(number, number + 1), _corners(where, values)


def _corners(where: str, values: npt.NDArray[np.float64]) -> Corners:
    if len(values) < _FEWEST_NUMBERS:
        raise DataError(
            f"{where}: is a box, {len(values) + 1} numbers, and not a polygon. A box is not the area of an "
            "object. Export YOLO segmentation."
        )
    if len(values) % 2:
        raise DataError(
            f"{where}: has {len(values)} numbers after the class, not pairs. The last may be a confidence "
            "(save_conf), or these are keypoints. Export polygons only."
        )
    if not ((values >= _LEAST) & (values <= _MOST)).all():  # NaN is neither
        raise DataError(f"{where}: expected shares of the width and height, 0 to 1. Export the labels again.")
    return values.astype(np.float32).reshape(-1, 2)


def _count_pixels(polygon: npt.NDArray[np.int32], size: tuple[int, int]) -> int:
    """Returns how many pixels of an image a polygon covers."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    if (low < 0).any() or (high >= np.array(size[::-1])).any():  # OpenCV cuts it at the borders
        mask = np.zeros(size, np.uint8)
    else:
        polygon = polygon - low
        width, height = (high - low + 1).tolist()
        mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [polygon], [1])
    return int(np.count_nonzero(mask))
