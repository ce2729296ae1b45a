"""Reads a project of Supervisely: `meta.json`, and folders of `img/` and `ann/`, where each image has JSON.

Objects are drawn in the order of the file, later ones over earlier ones. Lines and points have no area and
are left out. Source: the formats of github.com/supervisely/supervisely.
"""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fcn.data.image_forms import FURTHER_SUFFIXES, IMAGE_SUFFIXES
from fcn.errors import DataError
from fcn.labels.importing.blank_shapes import BlankShapes
from fcn.labels.importing.class_lists import parse_color
from fcn.labels.importing.folders import find_files, read_json
from fcn.labels.importing.image_index import ImageIndex
from fcn.labels.importing.readers.supervisely_objects import draw_object, geometry_of
from fcn.labels.importing.source import BACKGROUND, BACKGROUND_KEY, Item, Keys, Source, SourceClass
from fcn.labels.importing.split_lists import split_of_folder
from fcn.system.parallel import map_on_all_cores
from fcn.system.text import counted

NAME = "supervisely"

_META, _IMAGES, _ANNOTATIONS = "meta.json", "img", "ann"
# Forms that came later come last.
_SUFFIXES = (*sorted(IMAGE_SUFFIXES - FURTHER_SUFFIXES), *sorted(FURTHER_SUFFIXES))
_AREAS = frozenset({"polygon", "rectangle", "bitmap", "alpha_mask"})
_WITHOUT_AREA = frozenset({"line", "point", "graph", "cuboid", "polyline"})
_MAX_OBJECTS, _MAX_CLASSES = 100_000, 10_000


class _Read(NamedTuple):
    """The findings of a first look at an annotation.

    Attributes:
        image: Its image; None if that is missing.
        left_out: Number of objects without an area.
    """

    image: Path | None
    left_out: int


def recognizes(folder: Path) -> bool:
    """Returns whether a folder holds a project of Supervisely."""
    return _find_meta(folder) is not None


def read(folder: Path) -> Source:
    """Returns the images that have an annotation.

    Raises:
        DataError: If there are none, or a file is damaged.
    """
    meta = _find_meta(folder)
    if meta is None:
        raise DataError(
            f"{folder}: is not a project of Supervisely. Expected meta.json beside folders of img/ and ann/."
        )
    classes = _read_classes(meta)
    keys = {one.name: key for key, one in classes.items()}
    project, blanks = meta.parent, BlankShapes()
    paths = _find_annotations(project)
    looks = list(map_on_all_cores(partial(_look, ImageIndex(project), keys), paths))
    items = [
        _item(project, path, look.image, keys, blanks)
        for path, look in zip(paths, looks, strict=True)
        if look.image is not None
    ]
    if not items:
        raise DataError(f"{project}: holds no images with annotations. Download the project with its images.")
    notes = []
    missing = [path for path, look in zip(paths, looks, strict=True) if look.image is None]
    if missing:
        notes.append(
            f"{counted(len(missing), 'annotation has', 'annotations have')} no image: left out, such as "
            f"{missing[0]}"
        )
    left_out = sum(look.left_out for look in looks)
    if left_out:
        notes.append(f"{counted(left_out, 'object')} without an area (lines, points and others): left out")
    items.sort(key=lambda item: item.name)
    # A class of the project has a color.
    implied = classes[BACKGROUND_KEY].color is None
    return Source(NAME, items, classes, notes=tuple(notes), implies_background=implied, blanks=(blanks,))


def _find_meta(folder: Path) -> Path | None:
    """Returns the description of a project that has annotations."""
    for path in (folder / _META, *sorted(folder.glob(f"*/{_META}"))):
        if path.is_file() and _find_annotations(path.parent):
            try:
                document = read_json(path)
            except DataError:
                return path  # its reader explains what is wrong
            if isinstance(document, dict) and isinstance(document.get("classes"), list):
                return path
    return None


def _find_annotations(project: Path) -> list[Path]:
    return [path for path in find_files(project, (".json",)) if path.parent.name == _ANNOTATIONS]


def _read_classes(path: Path) -> dict[int, SourceClass]:
    """Returns the classes by key, in the order of the project, after the background.

    Raises:
        DataError: If the file is damaged.
    """
    document = read_json(path)
    listed = document.get("classes") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > _MAX_CLASSES:
        raise DataError(f"{path}: expected a list of at most {_MAX_CLASSES:,} classes. Download it again.")
    classes = {BACKGROUND_KEY: SourceClass(BACKGROUND)}
    names = set()
    for number, one in enumerate(listed, start=1):
        title = one.get("title") if isinstance(one, dict) else None
        if not isinstance(title, str) or not title or title in names:
            raise DataError(f"{path}: expected a title of its own for class {number}. Download it again.")
        names.add(title)
        color = one.get("color")
        found = parse_color(color) if isinstance(color, str) else None
        classes[BACKGROUND_KEY if title == BACKGROUND else len(classes)] = SourceClass(title, found)
    return classes


def _look(index: ImageIndex, keys: Mapping[str, int], path: Path) -> _Read:
    """Checks an annotation before anything is drawn.

    Raises:
        DataError: If it is damaged.
    """
    objects = _read_objects(path, keys)
    left_out = Counter(geometry_of(one) in _WITHOUT_AREA for one in objects)[True]
    images = path.parent.parent / _IMAGES
    for name in (path.stem, *(f"{path.stem}{suffix}" for suffix in _SUFFIXES)):
        found = index.find_near(name, images, path)
        if found is not None and found.suffix.lower() in IMAGE_SUFFIXES:
            return _Read(found, left_out)
    return _Read(None, left_out)


def _item(project: Path, path: Path, image: Path, keys: Mapping[str, int], blanks: BlankShapes) -> Item:
    folders = [part for part in path.parent.relative_to(project).parts[:-1] if part != "datasets"]
    name = "/".join([*folders, image.stem])
    return Item(name, image, partial(_read_keys, path, keys, blanks), path, split_of_folder(name))


def _read_document(path: Path) -> dict[str, Any]:
    document = read_json(path)
    if not isinstance(document, dict) or not isinstance(document.get("objects"), list):
        raise DataError(f"{path}: expected a list of objects. Download it again.")
    return document


def _read_objects(path: Path, keys: Mapping[str, int]) -> list[dict[str, Any]]:
    """Returns the objects of an annotation.

    Raises:
        DataError: If it is damaged, or an object has an unknown class or geometry.
    """
    objects: list[dict[str, Any]] = _read_document(path)["objects"]
    if len(objects) > _MAX_OBJECTS:
        raise DataError(f"{path}: expected at most {_MAX_OBJECTS:,} objects. Received: {len(objects):,}.")
    for number, one in enumerate(objects, start=1):
        if not isinstance(one, dict) or geometry_of(one) not in _AREAS | _WITHOUT_AREA:
            kind = geometry_of(one) if isinstance(one, dict) else one
            raise DataError(f"{path}: object {number} has an unknown geometry: {str(kind)[:80]!r}.")
        if not isinstance(one.get("classTitle"), str) or one["classTitle"] not in keys:
            title = str(one.get("classTitle"))[:80]
            raise DataError(f"{path}: object {number} has a class that {_META} does not name: {title!r}.")
    return objects


def _read_keys(path: Path, keys: Mapping[str, int], blanks: BlankShapes, size: tuple[int, int]) -> Keys:
    """Draws the objects of an annotation.

    Raises:
        DataError: If it is damaged, or was made for an image of another size.
    """
    document = _read_document(path)
    given = document.get("size")
    if not isinstance(given, dict) or (given.get("height"), given.get("width")) != size:
        raise DataError(
            f"{path}: expected the size of its image, {size[0]}x{size[1]} (height x width). Received: "
            f"{str(given)[:80]}. Put the image back that was labeled, or label it again."
        )
    drawn = np.full(size, BACKGROUND_KEY, np.int32)
    for number, one in enumerate(_read_objects(path, keys), start=1):
        try:
            has_pixel = draw_object(drawn, one, keys[one["classTitle"]])
        except ValueError as error:
            where = f"{path}: object {number} ({one['classTitle']!r})"
            raise DataError(f"{where}: {error}. Correct it in Supervisely.") from error
        if not has_pixel and geometry_of(one) in _AREAS:
            blanks.add(path, number, f"object {number}")
    return drawn
