"""Reads the lists of classes that tools write beside their masks."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

from fcn.errors import DataError
from fcn.labels.importing.folders import read_document
from fcn.labels.importing.source import BACKGROUND, Color, SourceClass
from fcn.outputs.labelme import IGNORE

_CVAT_LINE = re.compile(r"([^:#][^:]*):(\d{1,3}),(\d{1,3}),(\d{1,3}):[^:]*:[^:]*")
_MOST_LINES = 65_536

Found = dict[int, SourceClass]


def find_classes(folder: Path) -> Found:
    """Returns the classes that the first list found in a folder names, by id; none without a list.

    Raises:
        DataError: If the list is damaged.
    """
    for name, read in _LISTS.items():
        for path in [folder / name, *sorted(folder.glob(f"*/{name}"))]:
            if path.is_file():
                found = read(path)
                if found:
                    return found
    return {}


def _labelmap(path: Path) -> Found:
    """Reads CVAT's list: name, color, parts, actions."""
    found: Found = {}
    for line in _lines(path):
        match = _CVAT_LINE.fullmatch(line)
        if match is None:
            raise DataError(f"{path}: expected lines such as name:255,0,0::. Received: {line[:80]!r}.")
        red, green, blue = (int(value) for value in match.groups()[1:])
        if max(red, green, blue) > 255:
            raise DataError(f"{path}: expected colors of 0 to 255. Received: {line[:80]!r}.")
        found[len(found)] = SourceClass(match[1].strip(), (red, green, blue))
    return found


def _names(path: Path) -> Found:
    """Reads a list of names, one a line; labelme's begins with `__ignore__`, which has the id -1."""
    names = _lines(path)
    if any(_CVAT_LINE.fullmatch(name) for name in names):
        return _labelmap(path)
    first = -1 if names and names[0] == IGNORE else 0
    return {
        number: SourceClass(BACKGROUND if name == "_background_" else name)
        for number, name in enumerate(names, start=first)
        if number >= 0
    }


def _roboflow(path: Path) -> Found:
    """Reads Roboflow's list: pixel value, class."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(_lines(path)) if row]
    values = [row for row in rows if len(row) >= 2 and row[0].isdecimal()]
    if len(values) < len(rows) - 1:
        raise DataError(f"{path}: expected rows of pixel value and class.")
    return {int(row[0]): SourceClass(row[1]) for row in values}


def _lines(path: Path) -> list[str]:
    lines = [line.strip() for line in read_document(path).splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if len(lines) > _MOST_LINES:
        raise DataError(f"{path}: expected at most {_MOST_LINES} classes. Received: {len(lines)}.")
    return lines


_LISTS: dict[str, Callable[[Path], Found]] = {
    "labelmap.txt": _labelmap,
    "class_names.txt": _names,
    "_classes.csv": _roboflow,
    "labels.txt": _names,
    "classes.txt": _names,
    "obj.names": _names,
}


def parse_color(text: str) -> Color | None:
    """Returns the color that a text means, "#ff8000" or "255,128,0"; None if it means none.

    Example:
        >>> parse_color("#ff8000"), parse_color("cat")
        ((255, 128, 0), None)
    """
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
    found = re.fullmatch(r"(\d{1,3}),(\d{1,3}),(\d{1,3})", text)
    if found and all(int(value) < 256 for value in found.groups()):
        return int(found[1]), int(found[2]), int(found[3])
    return None
