"""Reads Mapillary Vistas: `{training,validation}/images` with palette PNGs of ids, and a list of classes.

The ids are places in the list `labels` of `config.json` (version 1.1), `config_v1.2.json` or
`config_v2.0.json`; the masks of a version with a number are in a folder of that name. A class that is not
evaluated becomes void.
"""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fcn.errors import DataError
from fcn.labels.importing.folders import find_images, read_json
from fcn.labels.importing.readers.mask_file import read_ids
from fcn.labels.importing.readers.mask_size import check_fit
from fcn.labels.importing.source import VOID_KEY, Color, Item, Keys, Source, SourceClass
from fcn.labels.importing.split_lists import split_of_folder
from fcn.system.text import counted

NAME = "mapillary"

# The newest first; a source may hold several.
_VERSIONS = {"v2.0": "config_v2.0.json", "v1.2": "config_v1.2.json", "": "config.json"}
_SPLITS = ("training", "validation", "testing")
_MOST_CLASSES = 65_535


class _Found(NamedTuple):
    """A version in a source.

    Attributes:
        folder: The folder that holds the splits.
        config: The file of classes.
        labels: Place of the masks, below a split.
    """

    folder: Path
    config: Path
    labels: str


def recognizes(folder: Path) -> bool:
    """Returns whether a folder holds splits of Mapillary Vistas and a list of its classes."""
    return _find(folder) is not None


def read(folder: Path) -> Source:
    """Returns the images that have a mask.

    Raises:
        DataError: If there are none, or a file is damaged.
    """
    found = _find(folder)
    if found is None:
        raise DataError(
            f"{folder}: is not Mapillary Vistas. Expected training/images, training/labels and config.json, "
            "or training/v2.0/labels and config_v2.0.json."
        )
    classes, void = _read_classes(found.config)
    items = []
    alone = 0
    for split in _SPLITS:
        masks = {path.stem: path for path in _images_in(found.folder / split / found.labels)}
        for image in _images_in(found.folder / split / "images"):
            mask = masks.get(image.stem)
            alone += mask is None
            if mask is not None:
                read_keys = partial(_read_keys, mask, frozenset(classes), void, found.config)
                name = f"{split}/{image.stem}"
                items.append(Item(name, image, read_keys, mask, split_of_folder(name)))
    if not items:
        raise DataError(f"{folder}: holds no images with masks. Expected training/{found.labels}.")
    notes = [f"{counted(alone, 'image has', 'images have')} no mask: left out"] if alone else []
    return Source(NAME, sorted(items, key=lambda item: item.name), classes, notes=tuple(notes))


def _find(folder: Path) -> _Found | None:
    for parent in (folder, *sorted(path for path in folder.glob("*") if path.is_dir())):
        for version, name in _VERSIONS.items():
            labels = f"{version}/labels".lstrip("/")
            if (parent / name).is_file() and any((parent / split / labels).is_dir() for split in _SPLITS):
                return _Found(parent, parent / name, labels)
    return None


def _images_in(folder: Path) -> list[Path]:
    return find_images(folder) if folder.is_dir() else []


def _read_classes(path: Path) -> tuple[dict[int, SourceClass], frozenset[int]]:
    """Returns the classes by id, and the ids that are void.

    Raises:
        DataError: If the file is damaged.
    """
    document = read_json(path)
    labels = document.get("labels") if isinstance(document, dict) else None
    if not isinstance(labels, list) or not 0 < len(labels) <= _MOST_CLASSES:
        raise DataError(f"{path}: expected a list of labels, of 1 to {_MOST_CLASSES:,}. Unpack it again.")
    count = Counter(_text(label) for label in labels if isinstance(label, dict))
    classes: dict[int, SourceClass] = {}
    void = set()
    for number, label in enumerate(labels):
        name = _text(label) if isinstance(label, dict) else ""
        if not name:
            raise DataError(f"{path}: label {number} has no name. Unpack it again.")
        if label.get("evaluate") is False:
            void.add(number)
            continue
        full = label.get("name")
        classes[number] = SourceClass(
            full if count[name] > 1 and isinstance(full, str) else name, _color(path, number, label)
        )
    return classes, frozenset(void)


def _text(label: Mapping[str, Any]) -> str:
    name = label.get("readable") or label.get("name")
    return name if isinstance(name, str) else ""


def _color(path: Path, number: int, label: Mapping[str, Any]) -> Color:
    color = label.get("color")
    if (
        not isinstance(color, list)
        or len(color) != 3
        or not all(isinstance(value, int) and 0 <= value < 256 for value in color)
    ):
        raise DataError(
            f"{path}: expected a color of label {number}, such as [165, 42, 42]. Unpack it again."
        )
    return color[0], color[1], color[2]


def _read_keys(
    path: Path, known: frozenset[int], void: frozenset[int], config: Path, size: tuple[int, int]
) -> Keys:
    keys = read_ids(path, size)
    unknown = [number for number in np.unique(keys).tolist() if number not in known and number not in void]
    if unknown:
        raise DataError(
            f"{path}: has the id {unknown[0]}, which {config} does not name. Use the file of the same "
            "version."
        )
    keys[np.isin(keys, list(void))] = VOID_KEY
    return check_fit(path, keys, size)
