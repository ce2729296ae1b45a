"""Lists of class names, as this package and other tools write them.

`labels.txt` has one name a line, in the order of the class ids. Lists of labelme, CVAT, Roboflow, YOLO and
others look much the same, but mean something else. Where the meaning is certain they are read; else they are
refused with the line and what to write instead.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fcn.classes import MAX_CLASSES, MAX_CLASSES_FILE_BYTES, VOID, ClassNamesError, check_class_names
from fcn.errors import DataError
from fcn.system.files import unreadable

OTHER_CLASS_LISTS = (
    "class_names.txt",
    "labelmap.txt",
    "classes.txt",
    "obj.names",
    "_classes.csv",
    "label_map.txt",
    "class_dict.csv",
    "label_colors.txt",
    "names.txt",
)
"""Names that other tools give to their lists of classes; `read_class_list` reads their content too."""

_ONE_NAME_A_LINE = "Expected one name a line, in the order of the class ids, from id 0 on."
# labelme's: shapes of this name are left out, so it has the id -1 and its labels hold 255 there.
_LABELME_IGNORE, _LABELME_BACKGROUND = "__ignore__", "_background_"
_CVAT_COMMENT = re.compile(r"#\s*label\s*:", re.IGNORECASE)
_CVAT_LINE = re.compile(r"(?P<name>[^:]+):(?P<color>\d+\s*,\s*\d+\s*,\s*\d+)?(?::[^:]*:[^:]*|:)?")
_NUMBER = re.compile(r"-?\d{1,9}")
_NUMBER_FIRST = re.compile(r"(?P<id>-?\d{1,9})(?:\s*[:=]\s*|[.)]\s+|\s+-\s+|\s+)(?P<name>\S.*)")
_NUMBER_LAST = re.compile(r"(?P<name>.*\S)(?P<mark>\s*[:=]\s*|\s+)(?P<id>-?\d{1,9})")
_SECTIONS = ("names:", "classes:", "labels:")
_COLUMNS = {
    "id": {"id", "index", "value", "pixel value", "class id", "class_id", "label id"},
    "name": {"name", "class", "label", "class name", "class_name"},
    "color": {"r", "g", "b", "red", "green", "blue"},
}
_VOID_IDS = (-1, VOID)

Color = tuple[int, int, int]


class ClassList(NamedTuple):
    """The content of a list of classes.

    Attributes:
        names: One name for each class id, in the order of the ids.
        colors: RGB of each class; None where the list has none.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...] | None


class _Line(NamedTuple):
    number: int
    text: str


class _Entry(NamedTuple):
    """A class of a list; the id is None where the order of the lines gives it."""

    line: int
    id: int | None
    name: str
    color: Color | None = None


def read_class_list(path: Path) -> ClassList:
    """Reads a list of class names.

    Args:
        path: One name a line; or a list of labelme (`__ignore__` first), of CVAT (`name:r,g,b::`), with ids
            or colors beside the names, in quotes, or as JSON.

    Raises:
        DataError: If the list cannot be read, its meaning is not certain, or the names cannot be those of
            classes; names the line.
    """
    text = _read_text(path)
    lines = [
        _Line(number, line)
        for number, raw in enumerate(text.splitlines(), 1)
        if (line := raw.replace("\ufeff", "").strip())
    ]
    entries = _entries(path, lines)
    names = [entry.name for entry in entries]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        shown = ", ".join(twice[:5])
        raise DataError(f"{path}: names a class twice: {shown}. Keep one line for each class.")
    try:
        checked = check_class_names(names)
    except ClassNamesError as error:
        raise DataError(f"{path}: {error} Correct the file: it has one name a line.") from error
    colors = [entry.color for entry in entries if entry.color is not None]
    return ClassList(checked, tuple(colors) if colors and len(colors) == len(entries) else None)


def _read_text(path: Path) -> str:
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_CLASSES_FILE_BYTES else b""
    except OSError as error:
        raise DataError(f"{path}: {unreadable(error)}") from error
    if size > MAX_CLASSES_FILE_BYTES:
        raise DataError(
            f"{path}: expected the names of at most {MAX_CLASSES} classes. Received: {size} bytes. "
            "Correct the file: it has one name a line."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text. Save it as UTF-8.") from error


def _entries(path: Path, lines: Sequence[_Line]) -> list[_Entry]:
    if not lines:
        return []
    if lines[0].text[0] in "[{":
        return _json_entries(path, lines)
    if _is_cvat(lines):
        return _cvat_entries(path, lines)
    for number, text in lines:
        if text.startswith(("#", "//")):
            raise _refusal(path, number, text, "looks like a comment, which would be a class here. Remove it")
    plain = _plain_lines(path, lines)
    for read in (_table_entries, _numbered_entries) if plain else ():
        if entries := read(path, plain):
            return _without_ignored(path, _in_order(path, entries))
    return _without_ignored(path, [_Entry(number, None, text) for number, text in plain])


def _refusal(path: Path, number: int, text: str, problem: str) -> DataError:
    shown = text if len(text) <= 60 else f"{text[:60]}..."
    return DataError(f"{path}, line {number}: {shown!r} {problem}. {_ONE_NAME_A_LINE}")


def _json_entries(path: Path, lines: Sequence[_Line]) -> list[_Entry]:
    """Returns the names of a JSON list; other JSON is refused."""
    try:
        value = json.loads("\n".join(text for _, text in lines))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise _refusal(path, lines[0].number, lines[0].text, "begins neither a name nor a JSON list of names")
    return [_Entry(lines[0].number, None, name.strip()) for name in value]


def _is_cvat(lines: Sequence[_Line]) -> bool:
    """Returns whether a list is CVAT's: by its comment, or by a color after a colon."""
    if _CVAT_COMMENT.match(lines[0].text):
        return True
    return any((found := _CVAT_LINE.fullmatch(text)) and found["color"] for _, text in lines)


def _cvat_entries(path: Path, lines: Sequence[_Line]) -> list[_Entry]:
    """Returns the classes of CVAT's `labelmap.txt`, in the order of the lines, which is that of the ids."""
    entries = []
    for number, text in lines:
        if text.startswith("#"):
            continue
        found = _CVAT_LINE.fullmatch(text)
        if found is None:
            raise _refusal(path, number, text, "is not in CVAT's form name:r,g,b:: as other lines are")
        color = _color(path, number, text, found["color"].split(",")) if found["color"] else None
        entries.append(_Entry(number, None, found["name"].strip(), color))
    return entries


def _color(path: Path, number: int, text: str, parts: Sequence[str]) -> Color:
    red, green, blue = (int(part) if _NUMBER.fullmatch(part.strip()) else -1 for part in parts)
    if not all(0 <= value <= 255 for value in (red, green, blue)):
        raise _refusal(path, number, text, "has a color that is not three numbers from 0 to 255")
    return red, green, blue


def _plain_lines(path: Path, lines: Sequence[_Line]) -> list[_Line]:
    """Returns lines without what surrounds names in programs: headings, dashes, last commas, quotes."""
    found = list(lines)
    if len(found) > 1 and found[0].text.lower() in _SECTIONS:
        found = found[1:]
    if all(text.startswith("- ") for _, text in found):
        found = [_Line(number, text[2:].strip()) for number, text in found]
    if len(found) == 1 and "," in found[0].text:
        found = [_Line(found[0].number, part.strip()) for part in _fields(found[0].text, ",") if part.strip()]
    elif len(found) > 1 and all(text.endswith(",") for _, text in found[:-1]):
        found = [_Line(number, text.removesuffix(",").strip()) for number, text in found]
    return [_Line(number, _unquoted(path, number, text)) for number, text in found]


def _unquoted(path: Path, number: int, text: str) -> str:
    quote = text[:1]
    if quote not in ('"', "'") or quote in text[1:-1]:  # of a line of several parts, the parts are unquoted
        return text
    if len(text) < 3 or not text.endswith(quote):
        raise _refusal(path, number, text, "has a quote without its other half. Remove it")
    return text[1:-1].strip()


def _fields(text: str, separator: str) -> list[str]:
    try:
        fields = next(csv.reader([text], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:  # a part is longer than any name
        fields = [text]
    return [field.strip().strip("'") for field in fields]


def _table_entries(path: Path, lines: Sequence[_Line]) -> list[_Entry]:
    """Returns the classes of a table: names with ids or colors, separated by commas, semicolons or tabs.

    Nothing is returned for a list that is not a table: a name may have a comma in it.
    """
    for separator in ",;\t":
        rows = [(number, text, _fields(text, separator)) for number, text in lines]
        header = [field.lower() for field in rows[0][2]]
        known = set().union(*_COLUMNS.values())
        if len(header) > 1 and set(header) <= known:
            rows = rows[1:]
        if not rows:
            continue
        widths = {len(fields) for *_, fields in rows}
        if len(widths) != 1 or (width := widths.pop()) not in (2, 4, 5):
            continue
        numeric = [all(_NUMBER.fullmatch(row[2][column]) for row in rows) for column in range(width)]
        if sum(not each for each in numeric) != 1:
            continue
        name_column = numeric.index(False)
        if width > 2 and name_column > 1:
            continue
        entries = []
        for number, text, fields in rows:
            others = [field for column, field in enumerate(fields) if column != name_column]
            class_id = int(others[0]) if width in (2, 5) else None
            color = _color(path, number, text, others[-3:]) if width > 2 else None
            entries.append(_Entry(number, class_id, fields[name_column], color))
        return entries
    return []


def _numbered_entries(path: Path, lines: Sequence[_Line]) -> list[_Entry]:
    """Returns the classes of a list with an id before or after each name; nothing for other lists."""
    found = [_NUMBER_FIRST.fullmatch(text) for _, text in lines]
    if all(found):
        return [
            _Entry(line.number, int(match["id"]), _unquoted(path, line.number, match["name"]))
            for line, match in zip(lines, found, strict=True)
            if match
        ]
    found = [_NUMBER_LAST.fullmatch(text) for _, text in lines]
    if not all(found):
        return []
    entries = [
        _Entry(line.number, int(match["id"]), _unquoted(path, line.number, match["name"]))
        for line, match in zip(lines, found, strict=True)
        if match
    ]
    # "boeing 737" and "class 1" are names; ids are all there, or after a colon.
    unique = len({entry.name for entry in entries}) == len(entries)
    complete = {entry.id for entry in entries} - {*_VOID_IDS} == {*range(len(_with_ids(entries)))}
    marked = all(match and match["mark"].strip() for match in found)
    return entries if unique and (complete or marked) else []


def _with_ids(entries: Sequence[_Entry]) -> list[_Entry]:
    """Returns the entries of classes, without void."""
    return [entry for entry in entries if entry.id not in _VOID_IDS]


def _in_order(path: Path, entries: Sequence[_Entry]) -> list[_Entry]:
    """Returns entries in the order of their ids, which must be 0, 1, 2 and so on; void is left out."""
    if all(entry.id is None for entry in entries):
        return list(entries)
    ordered = sorted(_with_ids(entries), key=lambda entry: entry.id or 0)
    for expected, entry in enumerate(ordered):
        if entry.id != expected:
            problem = (
                f"id {expected} has no line" if (entry.id or 0) > expected else "that id has a line already"
            )
            raise DataError(
                f"{path}, line {entry.line}: gives {entry.name[:60]!r} the id {entry.id}, but {problem}. "
                f"{_ONE_NAME_A_LINE}"
            )
    return ordered


def _without_ignored(path: Path, entries: Sequence[_Entry]) -> list[_Entry]:
    """Returns entries without the first line of labelme's `labels.txt`, which has the id -1."""
    for index, entry in enumerate(entries):
        if entry.name != _LABELME_IGNORE:
            continue
        if index or entry.id is not None:
            raise _refusal(
                path,
                entry.line,
                entry.name,
                "is labelme's name for what has no class, and belongs in the first line. Remove it here",
            )
        if len(entries) < 2 or entries[1].name != _LABELME_BACKGROUND:
            received = entries[1].name if len(entries) > 1 else ""
            line = entries[1].line if len(entries) > 1 else entry.line
            raise _refusal(
                path,
                line,
                received,
                f"follows {_LABELME_IGNORE} where labelme expects {_LABELME_BACKGROUND}, so its id is not "
                f"certain. Remove {_LABELME_IGNORE}, or add {_LABELME_BACKGROUND} after it",
            )
        return list(entries[1:])
    return list(entries)
