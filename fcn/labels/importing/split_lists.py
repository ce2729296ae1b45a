"""Finds the splits that a source has: lists of names, or folders such as `train/` and `valid/`."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from fcn.labels.importing.folders import read_document

_SPLITS = {
    "train": "train",
    "training": "train",
    "train2017": "train",
    "train2014": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "val2017": "val",
    "val2014": "val",
    "test": "test",
    "testing": "test",
}
_ORDER = ("train", "val", "test")


def split_of_folder(name: str) -> str | None:
    """Returns the split that the folders of an item name; None if they name none.

    Example:
        >>> split_of_folder("valid/a"), split_of_folder("site 1/a")
        ('val', None)
    """
    for part in name.split("/")[:-1]:
        if part.lower() in _SPLITS:
            return _SPLITS[part.lower()]
    return None


def in_order(splits: Iterable[str]) -> list[str]:
    """Returns the names of splits, each once: train, val and test, then others by name.

    Example:
        >>> in_order(["val", "extra", "train", "val"])
        ['train', 'val', 'extra']
    """
    names = set(splits)
    return [name for name in _ORDER if name in names] + sorted(names - {*_ORDER})


def split_of_list(path: Path) -> str | None:
    """Returns the split that a list is named after; None for a list of another name.

    Example:
        >>> split_of_list(Path("Validation.txt")), split_of_list(Path("trainval.txt"))
        ('val', None)
    """
    return _SPLITS.get(path.stem.lower())


def read_split_lists(folder: Path, names: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Returns the split of each name that a list of `ImageSets/Segmentation` has, and sentences for people.

    A name in several lists is in the first of train, val and test. Suffixes and folders in lists are ignored.

    Raises:
        DataError: If a list is not text.
    """
    known = {Path(name).name: name for name in names}
    splits: dict[str, str] = {}
    notes = []
    found = [(split_of_list(path), path) for path in folder.glob("ImageSets/Segmentation/*.txt")]
    lists = [(split, path) for split, path in found if split is not None]
    for split, path in sorted(lists, key=lambda one: (_ORDER.index(one[0]), one[1])):
        lines = [line.strip() for line in read_document(path).splitlines() if line.strip()]
        missing = []
        for line in lines:
            entry = re.sub(r"[\t ]+-?[01]$", "", line).replace("\\", "/").rpartition("/")[2]
            name = known.get(entry) or known.get(entry.rpartition(".")[0])
            if name is None:
                missing.append(line)
            else:
                splits.setdefault(name, split)
        if missing:
            notes.append(f"{path} names {len(missing)} images that are not there, such as {missing[0]}")
    return splits, tuple(notes)
