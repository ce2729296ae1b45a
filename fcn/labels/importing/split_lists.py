"""Finds the splits that a source has: lists of names, or folders such as `train/` and `valid/`."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import takewhile
from operator import eq
from pathlib import Path

from fcn.errors import DataError
from fcn.labels.importing.folders import read_document
from fcn.system.text import counted

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
_PAIR = re.compile(r"(?P<image>[^\s,;]+)[\s,;]+[^\s,;]*[/.][^\s,;]*")
_PLACES = ("ImageSets/Segmentation", "", "splits", "ImageSets", "ImageSets/Main")
"""Where lists may be. The first place that has names of images counts."""
_SHOWN = 80


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
    """Returns the split of each name that the lists of a source have, and sentences for people.

    The lists are in `ImageSets/Segmentation`, or else in another usual place. A name in several lists is in
    the first of train, val and test.

    Raises:
        DataError: If a list is not text, or a line can mean several images.
    """
    find = _Names(names).find
    for place in _PLACES:
        found = [(split_of_list(path), path) for path in (folder / place).glob("*.txt")]
        lists = [(split, path) for split, path in found if split is not None]
        splits: dict[str, str] = {}
        shared: set[str] = set()
        notes = []
        for split, path in sorted(lists, key=lambda one: (_ORDER.index(one[0]), one[1])):
            missing = []
            for line in filter(None, map(str.strip, read_document(path).splitlines())):
                named = find(line)
                if len(named) > 1:
                    raise DataError(
                        f"{path}: names {line[:_SHOWN]!r}, which can be {named[0]} or {named[1]}. Write the "
                        "folders of images into the list."
                    )
                if not named:
                    missing.append(line)
                elif splits.setdefault(named[0], split) != split:
                    shared.add(named[0])
            if missing:
                notes.append(
                    f"{path} names {counted(len(missing), 'image that is', 'images that are')} not there, "
                    f"such as {missing[0]}"
                )
        if shared:
            notes.append(
                f"{counted(len(shared), 'image is', 'images are')} in several lists of {folder / place}, "
                f"such as {min(shared)}; the first of train, val and test counts"
            )
        if splits or (notes and place == _PLACES[0]):
            return splits, tuple(notes)
    return {}, ()


class _Names:
    """The names of a source, found by the lines of lists: with or without suffix and folders.

    Args:
        names: Paths without suffix.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._by_path = {_normal(name): name for name in names}
        self._by_last: dict[str, list[str]] = defaultdict(list)
        for path in self._by_path:
            self._by_last[path.rpartition("/")[2]].append(path)

    def find(self, line: str) -> list[str]:
        """Returns the names that a line can mean: those with its last part that are most like it."""
        # A list may give the mask after the image, and VOC's lists of a class a number.
        pair = _PAIR.fullmatch(line)
        for text in (line, re.sub(r"[\t ]+-?[01]$", "", line), *([pair["image"]] if pair else [])):
            path = _normal(text)
            for entry in (path, path.rpartition(".")[0]):
                if name := self._by_path.get(entry):
                    return [name]
                if alike := _most_alike(entry, self._by_last.get(entry.rpartition("/")[2], ())):
                    return [self._by_path[one] for one in alike]
        return []


def _most_alike(entry: str, paths: Sequence[str]) -> list[str]:
    """Returns the paths that share most folders with an entry, counted from the last."""
    parents = entry.split("/")[-2::-1]

    def shared(path: str) -> int:
        return len(list(takewhile(bool, map(eq, path.split("/")[-2::-1], parents))))

    most = max(map(shared, paths), default=0)
    return [path for path in paths if shared(path) == most]


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name).replace("\\", "/")
