"""Numbers the categories of COCO's files, which may have gaps, begin with 0, or differ between files."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fcn.errors import DataError
from fcn.labels.importing.source import BACKGROUND, BACKGROUND_KEY, BACKGROUND_NAMES, SourceClass

_MAX_KEY = 1 << 20
"""Larger ids get another key: keys from 2^24 on are colors."""
_MAX_CATEGORIES = 65_536
_SHOWN = 80
_LONGEST_NAME = 1_000


class NumberedClasses(NamedTuple):
    """The classes of all files.

    Attributes:
        by_key: Class of each key, the background among them.
        keys: Key of each category id, by file.
        notes: Sentences for people.
        has_background: Whether a category is called background.
    """

    by_key: dict[int, SourceClass]
    keys: dict[Path, dict[int, int]]
    notes: tuple[str, ...]
    has_background: bool

    def key_of(self, path: Path, place: str, category: object) -> int:
        """Returns the key of the category of an annotation.

        Raises:
            DataError: If the file has no such category.
        """
        key = self.keys[path].get(category) if isinstance(category, int) else None
        if key is None:
            raise DataError(
                f"{path}: {place} has the category {ascii(category)[:_SHOWN]}, which the file does not list. "
                "Export it again."
            )
        return key


def number_classes(categories: Mapping[Path, Sequence[Any]]) -> NumberedClasses:
    """Returns the classes of files that list categories.

    The same name is the same class in all files, whatever its id. A key is the id where all files agree on
    ids that begin with 1 or later.

    Raises:
        DataError: If a list is damaged.
    """
    names = {path: _names(path, listed) for path, listed in categories.items()}
    ids: dict[str, set[int]] = defaultdict(set)
    owners: dict[int, set[str]] = defaultdict(set)
    for listed in names.values():
        for number, name in listed.items():
            ids[name].add(number)
            owners[number].add(name)
    notes = [
        f"categories {', '.join(map(str, sorted(twice)[:9]))} of {path} have one name, {name[:_SHOWN]!r}, "
        "and became one class"
        for path, listed in names.items()
        for name in dict.fromkeys(listed.values())
        if len(twice := [number for number, other in listed.items() if other == name]) > 1
    ]
    agree = all(len(found) == 1 for found in ids.values()) and all(len(one) == 1 for one in owners.values())
    kept = agree and all(0 < number < _MAX_KEY for number in owners)
    by_key = {BACKGROUND_KEY: SourceClass(BACKGROUND)}
    key_of_name: dict[str, int] = {}
    for rank, name in enumerate(sorted(ids, key=lambda name: (min(ids[name]), name)), start=1):
        number = min(ids[name])
        if name.lower() in BACKGROUND_NAMES:
            key_of_name[name] = BACKGROUND_KEY
            continue
        key_of_name[name] = number if kept else rank
        by_key[key_of_name[name]] = SourceClass(name, number=number if agree and not kept else None)
    keys = {
        path: {number: key_of_name[name] for number, name in listed.items()} for path, listed in names.items()
    }
    has_background = BACKGROUND_KEY in key_of_name.values()
    return NumberedClasses(by_key, keys, tuple(notes), has_background)


def _names(path: Path, listed: Sequence[Any]) -> dict[int, str]:
    if len(listed) > _MAX_CATEGORIES:
        raise DataError(
            f"{path}: expected at most {_MAX_CATEGORIES:,} categories. Received: {len(listed):,}."
        )
    names: dict[int, str] = {}
    for number, one in enumerate(listed):
        place = f"categories[{number}]"
        if not isinstance(one, dict) or not isinstance(one.get("name"), str) or not one["name"].strip():
            raise DataError(f"{path}: {place} has no name. Export the file again.")
        category = one.get("id")
        if not isinstance(category, int) or isinstance(category, bool) or category < 0 or category in names:
            raise DataError(f"{path}: {place} has no id of its own. Export the file again.")
        names[category] = one["name"].strip()[:_LONGEST_NAME]
    return names
