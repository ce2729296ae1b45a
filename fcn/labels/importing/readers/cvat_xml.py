"""Reads CVAT's XML for images 1.1: one file for a task or a project, with the shapes of its images.

Source: CVAT's documentation of the format. A shape with a higher `z_order` covers lower ones; of equal ones,
later ones cover earlier ones. Polygons and boxes are rounded to pixels and filled by OpenCV's `fillPoly`,
ellipses drawn by its `ellipse`. CVAT turns images upright before they are labeled.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fcn.data.class_table import IGNORE
from fcn.errors import DataError
from fcn.labels.importing.blank_shapes import BlankShapes
from fcn.labels.importing.class_lists import parse_color
from fcn.labels.importing.folders import find_documents, name_below
from fcn.labels.importing.image_index import ImageIndex
from fcn.labels.importing.labeled_size import check_labeled_size
from fcn.labels.importing.readers.cvat_document import CvatDocument, CvatImage, CvatShape, read_cvat
from fcn.labels.importing.readers.cvat_filling import fill_shape, read_whole
from fcn.labels.importing.source import (
    BACKGROUND,
    BACKGROUND_KEY,
    BACKGROUND_NAMES,
    VOID_KEY,
    Item,
    Keys,
    Source,
    SourceClass,
)
from fcn.labels.importing.split_lists import split_of_folder, split_of_list
from fcn.system.files import unreadable
from fcn.system.text import counted

NAME = "cvat"

_ROOT = re.compile(rb"<annotations[\s>]")
_LOOKED_AT, _MOST_LOOKED_AT = 4096, 64
_SHOWN = 80


def recognizes(folder: Path, chosen: Sequence[Path] = ()) -> bool:
    """Returns whether a folder holds XML of CVAT; the beginning of files decides."""
    return any(_looks_right(path) for path in find_documents(folder, (".xml",), chosen)[:_MOST_LOOKED_AT])


def read(folder: Path, chosen: Sequence[Path] = ()) -> Source:
    """Returns the images below a folder that files of CVAT list, with or without shapes.

    Raises:
        DataError: If a file is damaged, or none of its images is there.
    """
    paths = find_documents(folder, (".xml",), chosen)
    documents = {path: read_cvat(path) for path in paths if _looks_right(path)}
    if not documents:
        raise DataError(f"{folder}: holds no XML of CVAT, such as annotations.xml.")
    classes, key_of, has_background = _classes(documents)
    index, blanks = ImageIndex(folder), BlankShapes()
    items: dict[Path, Item] = {}
    missing: list[str] = []
    for path, document in documents.items():
        for image in document.images:
            name, labeled, subset = _describe(path, image)
            found = index.find(name, path, subset)
            if found is None:
                missing.append(f"{name[:_SHOWN]!r} ({path.name})")
                continue
            if found in items:
                raise DataError(
                    f"{path}: line {image.line}: {found} was labeled twice, also in {items[found].where}. "
                    "Keep one of them."
                )
            draw = partial(_draw, path, name, labeled, _order(path, image, key_of), blanks)
            split = (
                subset
                or split_of_folder(found.relative_to(folder).as_posix())
                or split_of_folder(f"{document.subset}/")
                or split_of_list(path)
            )
            items[found] = Item(name_below(folder, found), found, draw, path, split)
    if not items:
        shown = f", such as {missing[0]}" if missing else ""
        raise DataError(
            f"{next(iter(documents))}: none of its images is below {folder}{shown}. Put them there."
        )
    counts = Counter(
        empty=sum(not image.shapes for found in documents.values() for image in found.images),
        others=sum(document.others for document in documents.values()),
        outside=sum(document.outside for document in documents.values()),
        unlisted=len(set(index.images) - items.keys()),
    )
    ordered = sorted(items.values(), key=lambda item: item.name)
    notes = tuple(_notes(counts, missing))
    return Source(
        NAME, ordered, classes, notes=notes, implies_background=not has_background, blanks=(blanks,)
    )


def _looks_right(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _ROOT.search(file.read(_LOOKED_AT)) is not None
    except OSError as error:
        raise DataError(f"{path}: {unreadable(error)}") from error


def _label(path: Path, shape: CvatShape) -> str:
    label = shape.attributes.get("label", "").strip()
    if not label:
        raise DataError(f"{path}: line {shape.line}: a {shape.kind} has no label. Export the file again.")
    return label


def _classes(
    documents: Mapping[Path, CvatDocument],
) -> tuple[dict[int, SourceClass], dict[str, int], bool]:
    """Returns the classes by key, the key of each label, and whether a label is the background.

    Files share labels by name.
    """
    colors: dict[str, str] = {}
    for document in documents.values():
        for name, color in document.labels.items():
            colors.setdefault(name, color)
    for path, document in documents.items():
        for name in sorted({_label(path, shape) for image in document.images for shape in image.shapes}):
            colors.setdefault(name, "")
    names = [name for name in colors if name.lower() not in BACKGROUND_NAMES and name != IGNORE]
    key_of = {name: key for key, name in enumerate(names, start=1)}
    classes = {BACKGROUND_KEY: SourceClass(BACKGROUND)}
    classes |= {key: SourceClass(name, parse_color(colors[name])) for name, key in key_of.items()}
    has_background = any(name.lower() in BACKGROUND_NAMES for name in colors)
    return classes, key_of | {IGNORE: VOID_KEY}, has_background


def _describe(path: Path, image: CvatImage) -> tuple[str, tuple[int, int], str | None]:
    """Returns the name of an image, its (height, width) and its split.

    Raises:
        DataError: If its element is damaged.
    """
    where = f"{path}: line {image.line}"
    name = image.attributes.get("name", "")
    if not name:
        raise DataError(f"{where}: an image has no name. Export the file again.")
    labeled = read_whole(where, image.attributes, "height"), read_whole(where, image.attributes, "width")
    return name, labeled, split_of_folder(f"{image.attributes.get('subset', '')}/")


def _order(path: Path, image: CvatImage, key_of: Mapping[str, int]) -> list[tuple[int, CvatShape]]:
    """Returns the shapes of an image with their keys, the lowest first."""
    shapes = [(key_of.get(_label(path, shape), BACKGROUND_KEY), shape) for shape in image.shapes]
    layers = [read_whole(f"{path}: line {shape.line}", shape.attributes, "z_order", 0) for _, shape in shapes]
    return [shapes[place] for place in np.argsort(layers, kind="stable").tolist()]


def _notes(counts: Mapping[str, int], missing: Sequence[str]) -> list[str]:
    notes = []
    if counts["empty"]:
        notes.append(
            f"{counted(counts['empty'], 'image has', 'images have')} no shape: all of them is background"
        )
    if counts["others"]:
        notes.append(
            f"{counted(counts['others'], 'annotation')} without an area (polylines, points, cuboids, "
            "skeletons, tags): left out"
        )
    if counts["outside"]:
        notes.append(
            f"{counted(counts['outside'], 'shape is', 'shapes are')} marked as outside of the image: left out"
        )
    if missing:
        notes.append(
            f"{counted(len(missing), 'image is', 'images are')} listed, but not there: left out, such as "
            f"{missing[0]}"
        )
    if counts["unlisted"]:
        notes.append(f"{counted(counts['unlisted'], 'image is', 'images are')} in no file of CVAT: left out")
    return notes


def _draw(
    path: Path,
    name: str,
    labeled: tuple[int, int],
    shapes: Sequence[tuple[int, CvatShape]],
    blanks: BlankShapes,
    size: tuple[int, int],
) -> Keys:
    check_labeled_size(path, name, labeled, size)
    keys = np.full(size, BACKGROUND_KEY, np.int32)
    for key, shape in shapes:
        where = f"{path}: line {shape.line}"
        try:
            has_pixel = fill_shape(keys, where, shape, key)
        except ValueError as error:
            raise DataError(f"{where}: a {shape.kind}: {error}. Correct or delete it in CVAT.") from error
        if not has_pixel:
            blanks.add(path, shape.line, f"line {shape.line}")
    return keys
