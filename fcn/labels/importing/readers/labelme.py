"""Reads labelme's JSON: one file for each image, with its shapes.

Source: labelme's documentation and files of its versions 3 to 6. Shapes are drawn as its converters to VOC
draw them, later ones over earlier ones. `__ignore__` becomes void; `_background_` is the background. labelme
turns images upright before they are labeled.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fcn.data.class_table import IGNORE, LABELME_BACKGROUND
from fcn.data.image_header import PILLOW_ERRORS, open_header
from fcn.errors import DataError
from fcn.labels.importing.blank_shapes import BlankShapes
from fcn.labels.importing.filling import LabelmeShape, check_points, fill_as_labelme, is_outside
from fcn.labels.importing.folders import find_documents, name_below, read_document, read_json
from fcn.labels.importing.image_index import ImageIndex
from fcn.labels.importing.source import (
    BACKGROUND,
    BACKGROUND_KEY,
    VOID_KEY,
    Item,
    Keys,
    Source,
    SourceClass,
)
from fcn.labels.importing.split_lists import split_of_folder
from fcn.system.text import counted

NAME = "labelme"

_KINDS = (
    *("polygon", "rectangle", "oriented_rectangle", "circle"),
    *("line", "linestrip", "point", "points", "mask"),
)
_FEWEST_POINTS = {
    **{"polygon": 3, "rectangle": 2, "oriented_rectangle": 4, "circle": 2},
    **{"line": 2, "linestrip": 2, "point": 1, "mask": 2},
}
_MOST_POINTS = {"rectangle": 2, "oriented_rectangle": 4, "circle": 2}
_MAX_SHAPES = 100_000
_SHOWN = 80


def recognizes(folder: Path, chosen: Sequence[Path] = ()) -> bool:
    """Returns whether a folder holds JSON of labelme; the first files decide."""
    for path in find_documents(folder, (".json",), chosen)[:3]:
        try:
            document = read_json(path)
        except DataError:
            continue
        if (
            isinstance(document, dict)
            and isinstance(document.get("shapes"), list)
            and "imagePath" in document
        ):
            return True
    return False


def read(folder: Path, chosen: Sequence[Path] = ()) -> Source:
    """Returns the images in a folder, at any depth, that have a file of labelme.

    Raises:
        DataError: If a file is damaged, or its image is missing.
    """
    documents = {path: _read_document(path) for path in find_documents(folder, (".json",), chosen)}
    labeled = {path: document for path, document in documents.items() if document is not None}
    listed = _listed_names(folder)
    used = {shape["label"] for document in labeled.values() for shape in document["shapes"]}
    names = [name for name in listed if name not in (IGNORE, LABELME_BACKGROUND)]
    names += sorted(used - {IGNORE, LABELME_BACKGROUND, *names})
    keys = {IGNORE: VOID_KEY, LABELME_BACKGROUND: BACKGROUND_KEY}
    keys |= {name: number for number, name in enumerate(names, start=1)}
    index, blanks = ImageIndex(folder), BlankShapes()
    items = [_item(folder, path, document, keys, index, blanks) for path, document in labeled.items()]
    _check_images(items)
    classes = {} if listed and LABELME_BACKGROUND not in listed else {BACKGROUND_KEY: SourceClass(BACKGROUND)}
    classes |= {number: SourceClass(name) for number, name in enumerate(names, start=1)}
    return Source(
        NAME,
        items,
        classes,
        lambda _: SourceClass(BACKGROUND),
        notes=_notes(items, index.images, len(documents) - len(labeled)),
        implies_background=LABELME_BACKGROUND not in {*listed, *used},
        blanks=(blanks,),
    )


def _check_images(items: Sequence[Item]) -> None:
    """Refuses two files that name one image: one of them was copied or renamed, with the labels of another.

    Raises:
        DataError: If there are two.
    """
    seen: dict[Path, Path] = {}
    for item in items:
        if isinstance(item.image, Path):
            other = seen.setdefault(item.image, item.where)
            if other != item.where:
                raise DataError(
                    f"{item.where}: its image is {item.image}, which {other} also names. Correct its "
                    "imagePath, or remove one of them."
                )


def _notes(items: Sequence[Item], images: Sequence[Path], others: int) -> tuple[str, ...]:
    notes = [f"{counted(others, 'JSON file is', 'JSON files are')} not labelme's: left out"] if others else []
    labeled = {item.image for item in items if isinstance(item.image, Path)}
    labeled |= {item.where.with_suffix("") for item in items}
    unlabeled = [path for path in images if path not in labeled and path.with_suffix("") not in labeled]
    if unlabeled:
        notes.append(
            f"{counted(len(unlabeled), 'image has', 'images have')} no file of labelme: left out, such as "
            f"{unlabeled[0]}"
        )
    return tuple(notes)


def _listed_names(folder: Path) -> list[str]:
    """Returns the labels in the list that labelme is started with; it begins with `__ignore__`.

    The classes of a data set keep their ids then, also those that occur nowhere.

    Raises:
        DataError: If the list is not text.
    """
    path = folder / "labels.txt"
    lines = [line.strip() for line in read_document(path).splitlines()] if path.is_file() else []
    return list(dict.fromkeys(filter(None, lines))) if lines[:1] == [IGNORE] else []


def _read_document(path: Path) -> dict[str, Any] | None:
    """Returns a file of labelme; None if it is another kind of JSON.

    Raises:
        DataError: If it is damaged.
    """
    document = read_json(path)
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        return None
    shapes = document["shapes"]
    if len(shapes) > _MAX_SHAPES:
        raise DataError(f"{path}: expected at most {_MAX_SHAPES} shapes. Received: {len(shapes)}.")
    for number, shape in enumerate(shapes, start=1):
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str) or not shape["label"]:
            raise DataError(f"{path}: shape {number} has no label. Correct it in labelme.")
    return document


def _item(
    folder: Path,
    path: Path,
    document: Mapping[str, Any],
    keys: Mapping[str, int],
    index: ImageIndex,
    blanks: BlankShapes,
) -> Item:
    image = _image(index, path, document)
    shapes = [_shape(path, number, shape, keys) for number, shape in enumerate(document["shapes"], start=1)]
    given = document.get("imageHeight"), document.get("imageWidth")
    name = name_below(folder, path)
    return Item(name, image, partial(_draw, path, given, shapes, blanks), path, split_of_folder(name))


def _image(index: ImageIndex, path: Path, document: Mapping[str, Any]) -> Path | bytes:
    """Returns the image beside a file, or else the one inside of it."""
    named = document.get("imagePath")
    if isinstance(named, str) and named:
        found = index.find_near(named, path.parent, path)
        if found is not None:
            return found
    embedded = document.get("imageData")
    if not isinstance(embedded, str):
        raise DataError(
            f"{path}: its image {_show(named)} is missing, and is not in the file itself. Put the image "
            "beside it."
        )
    try:
        data = base64.b64decode(embedded, validate=False)
    except (binascii.Error, ValueError) as error:
        raise DataError(
            f"{path}: its embedded image is damaged ({error}). Save it again in labelme."
        ) from error
    open_header(data, f"{path}: its embedded image")
    return data


def _shape(path: Path, number: int, shape: Mapping[str, Any], keys: Mapping[str, int]) -> LabelmeShape:
    kind = shape.get("shape_type") or "polygon"
    where = f"{path}: shape {number} ({_show(shape['label'])})"
    if kind not in _KINDS:
        raise DataError(f"{where}: expected one of {', '.join(_KINDS)}. Received: {_show(kind)}.")
    try:
        points = check_points(shape.get("points"))
        mask = _mask(shape.get("mask")) if kind == "mask" else None
    except ValueError as error:
        raise DataError(f"{where}: {error}. Correct it in labelme.") from error
    if len(points) < _FEWEST_POINTS.get(kind, 1) or len(points) > _MOST_POINTS.get(kind, len(points)):
        raise DataError(
            f"{where}: a {kind} cannot have {len(points)} points. Correct or delete it in labelme."
        )
    pairs = [(float(x), float(y)) for x, y in points]
    return LabelmeShape(kind, pairs, keys[shape["label"]], mask)


def _show(value: object) -> str:
    return repr(value)[:_SHOWN] if isinstance(value, str | int | float | None) else type(value).__name__


def _mask(text: object) -> np.ndarray[Any, np.dtype[np.bool_]]:
    if not isinstance(text, str):
        raise ValueError("it has no mask")
    try:
        data = base64.b64decode(text)
        with open_header(data, "its mask") as image:
            return np.array(image.convert("L")) > 0
    except (DataError, *PILLOW_ERRORS, binascii.Error) as error:
        raise ValueError(f"its mask is damaged ({error})") from error


def _draw(
    path: Path,
    given: tuple[object, object],
    shapes: Sequence[LabelmeShape],
    blanks: BlankShapes,
    size: tuple[int, int],
) -> Keys:
    if None not in given and given != size:
        raise DataError(
            f"{path}: was labeled on an image of {_show(given[0])}x{_show(given[1])} (height x width). Its "
            f"image has {size[0]}x{size[1]}. Put the image back that was labeled, or label it again."
        )
    for number, shape in enumerate(shapes, start=1):
        if is_outside(shape, size):
            blanks.add(path, number, f"shape {number}")
    return fill_as_labelme(size, shapes)
