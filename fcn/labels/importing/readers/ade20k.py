"""Reads ADE20K as its scene parsing benchmark has it: ids from 1 on, 0 for what is not labeled.

`images/{training,validation}`, `annotations/{training,validation}` and `objectInfo150.txt`, a table: its
first column has ids, its last the names of a class, and the first name is taken. Source: the files of
github.com/CSAILVision/sceneparsing.
"""

import re
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

from fcn.errors import DataError
from fcn.labels.importing.folders import find_files, read_document
from fcn.labels.importing.readers.mask_file import read_ids, read_mask_header
from fcn.labels.importing.readers.mask_pairs import Pair, find_pairs
from fcn.labels.importing.readers.mask_size import check_fit
from fcn.labels.importing.source import VOID_KEY, Item, Keys, Source, SourceClass, class_of_key
from fcn.labels.importing.split_lists import split_of_folder
from fcn.system.parallel import map_on_all_cores
from fcn.system.text import counted

NAME = "ade20k"

CLASS_TABLE = "objectInfo150.txt"

_FILE = re.compile(r"ADE_(?:train|val|test)_\d{8}")
_MOST_CLASSES = 65_535
_SAMPLE = 20


def recognizes(folder: Path) -> bool:
    """Returns whether a folder holds masks with names of ADE20K, or its table of classes beside masks."""
    if _find_table(folder) is not None:
        return bool(find_pairs(folder).pairs)
    images = find_files(folder, (".png",))[:_SAMPLE]
    return bool(images) and all(_FILE.fullmatch(path.stem) for path in images)


def read(folder: Path) -> Source:
    """Returns the images that have a mask.

    Raises:
        DataError: If there are none, or a file is damaged.
    """
    files = find_pairs(folder)
    if not files.pairs:
        raise DataError(f"{folder}: holds no images with masks. Expected images/ beside annotations/.")
    for _ in map_on_all_cores(lambda pair: read_mask_header(pair.mask), files.pairs):
        pass
    table = _find_table(folder)
    classes = {} if table is None else _read_table(table)
    notes = [
        f"{counted(len(paths), one, many)}: left out, such as {paths[0]}"
        for one, many, paths in (
            ("image has no mask", "images have no mask", files.images),
            ("mask has no image", "masks have no image", files.masks),
        )
        if paths
    ]
    if table is None:
        notes.append(f"the names of the classes are unknown, since {CLASS_TABLE} is missing")
    known = frozenset(classes)
    items = [_item(pair, known) for pair in files.pairs]
    return Source(NAME, items, classes, class_of_key, notes=tuple(notes))


def _item(pair: Pair, known: frozenset[int]) -> Item:
    read_keys = partial(_read_keys, pair.mask, known)
    return Item(pair.name, pair.image, read_keys, pair.mask, split_of_folder(pair.name))


def _find_table(folder: Path) -> Path | None:
    places = (folder / CLASS_TABLE, *sorted(folder.glob(f"*/{CLASS_TABLE}")))
    return next((path for path in places if path.is_file()), None)


def _read_table(path: Path) -> dict[int, SourceClass]:
    """Returns the classes by id.

    Raises:
        DataError: If the table is damaged.
    """
    rows = [line.split("\t") for line in read_document(path).splitlines() if line.strip()]
    names: dict[int, str] = {}
    for row in rows[1:]:
        number = row[0].strip()
        if len(row) < 2 or not re.fullmatch(r"\d{1,5}", number) or not row[-1].strip():
            raise DataError(f"{path}: expected rows of id, ..., names. Received: {' '.join(row)[:80]!r}.")
        if int(number) in names or not 0 < int(number) <= _MOST_CLASSES:
            raise DataError(f"{path}: expected each id once, from 1 on. Received: {number}.")
        names[int(number)] = row[-1].strip()
    first = {number: name.partition(",")[0].strip() or name for number, name in names.items()}
    count = Counter(first.values())
    return {
        number: SourceClass(name if count[name] == 1 else names[number]) for number, name in first.items()
    }


def _read_keys(path: Path, known: frozenset[int], size: tuple[int, int]) -> Keys:
    keys = read_ids(path, size)
    keys[keys == 0] = VOID_KEY
    unknown = set(np.unique(keys).tolist()) - known - {VOID_KEY} if known else set()
    if unknown:
        raise DataError(
            f"{path}: has the id {min(unknown)}, which {CLASS_TABLE} does not name. Use the table of these "
            "masks."
        )
    return check_fit(path, keys, size)
