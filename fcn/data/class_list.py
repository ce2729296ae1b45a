"""Lists of class names, as this package and other tools write them.

`labels.txt` has one name a line, in the order of the class ids. Lists of labelme, CVAT, Roboflow, YOLO and
others look much the same, but mean something else. Where the meaning is certain they are read; else they are
refused with the line and what to write instead.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fcn.classes import MAX_CLASSES, MAX_CLASSES_FILE_BYTES, ClassNamesError, check_class_names
from fcn.data.class_table import (
    Color,
    Entry,
    ListLine,
    fields_of,
    in_order,
    numbered_entries,
    read_color,
    refusal,
    table_entries,
    unquoted,
)
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

# labelme's: shapes of this name are left out, so it has the id -1 and its labels hold 255 there.
_LABELME_IGNORE, _LABELME_BACKGROUND = "__ignore__", "_background_"
_CVAT_COMMENT = re.compile(r"#\s*label\s*:", re.IGNORECASE)
_CVAT_LINE = re.compile(r"(?P<name>[^:]+):(?P<color>\d+\s*,\s*\d+\s*,\s*\d+)?(?::[^:]*:[^:]*|:)?")
_QUOTED = re.compile("\"[^\"]+\"|'[^']+'")
_SECTIONS = ("names:", "classes:", "labels:")


class ClassList(NamedTuple):
    """The content of a list of classes.

    Attributes:
        names: One name for each class id, in the order of the ids.
        colors: RGB of each class; None where the list has none.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...] | None


def read_class_list(path: Path) -> ClassList:
    """Reads a list of class names.

    Args:
        path: One name a line; or a list of labelme (`__ignore__` first), of CVAT (`name:r,g,b::`), with ids
            or colors beside the names, in quotes, or as JSON.

    Raises:
        DataError: If the list cannot be read, its meaning is not certain, or the names cannot be those of
            classes; names the line.
    """
    return _parse(path, _read_text(path))


def format_class_list(names: Sequence[str]) -> str:
    r"""Returns the text of a list that `read_class_list` reads as these names, with quotes where it must.

    Example:
        >>> format_class_list(["sky", "sea"]), format_class_list(["1 euro", "2 euro"])
        ('sky\nsea\n', '"1 euro"\n"2 euro"\n')
    """
    plain = "".join(f"{name}\n" for name in names)
    try:
        is_plain = _parse(Path("labels.txt"), plain) == (tuple(names), None)
    except DataError:
        is_plain = False
    quote = "'" if any('"' in name for name in names) else '"'
    return plain if is_plain else "".join(f"{quote}{name}{quote}\n" for name in names)


def _parse(path: Path, text: str) -> ClassList:
    lines = [
        ListLine(number, line)
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


def _entries(path: Path, lines: Sequence[ListLine]) -> list[Entry]:
    if not lines:
        return []
    if all(_QUOTED.fullmatch(text) for _, text in lines):  # whatever they look like, they are names
        return [Entry(number, None, text[1:-1].strip()) for number, text in lines]
    if lines[0].text[0] in "[{":
        return _json_entries(path, lines)
    if _is_cvat(lines):
        return _cvat_entries(path, lines)
    for number, text in lines:
        if text.startswith(("#", "//")):
            raise refusal(path, number, text, "looks like a comment, which would be a class here. Remove it")
    plain = _plain_lines(path, lines)
    for read in (table_entries, numbered_entries) if plain else ():
        if entries := read(path, plain):
            return _without_ignored(path, in_order(path, entries))
    return _without_ignored(path, [Entry(number, None, text) for number, text in plain])


def _json_entries(path: Path, lines: Sequence[ListLine]) -> list[Entry]:
    """Returns the names of a JSON list; other JSON is refused."""
    try:
        value = json.loads("\n".join(text for _, text in lines))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise refusal(path, lines[0].number, lines[0].text, "begins neither a name nor a JSON list of names")
    return [Entry(lines[0].number, None, name.strip()) for name in value]


def _is_cvat(lines: Sequence[ListLine]) -> bool:
    """Returns whether a list is CVAT's: by its comment, or by a color after a colon."""
    if _CVAT_COMMENT.match(lines[0].text):
        return True
    return any((found := _CVAT_LINE.fullmatch(text)) and found["color"] for _, text in lines)


def _cvat_entries(path: Path, lines: Sequence[ListLine]) -> list[Entry]:
    """Returns the classes of CVAT's `labelmap.txt`, in the order of the lines, which is that of the ids."""
    entries = []
    for number, text in lines:
        if text.startswith("#"):
            continue
        found = _CVAT_LINE.fullmatch(text)
        if found is None:
            raise refusal(path, number, text, "is not in CVAT's form name:r,g,b:: as other lines are")
        color = read_color(path, number, text, found["color"].split(",")) if found["color"] else None
        entries.append(Entry(number, None, found["name"].strip(), color))
    return entries


def _plain_lines(path: Path, lines: Sequence[ListLine]) -> list[ListLine]:
    """Returns lines without what surrounds names in programs: headings, dashes, last commas, quotes."""
    found = list(lines)
    if len(found) > 1 and found[0].text.lower() in _SECTIONS:
        found = found[1:]
    if all(text.startswith("- ") for _, text in found):
        found = [ListLine(number, text[2:].strip()) for number, text in found]
    if len(found) == 1 and "," in found[0].text:
        found = [
            ListLine(found[0].number, part.strip()) for part in fields_of(found[0].text, ",") if part.strip()
        ]
    elif len(found) > 1 and all(text.endswith(",") for _, text in found[:-1]):
        found = [ListLine(number, text.removesuffix(",").strip()) for number, text in found]
    return [ListLine(number, unquoted(path, number, text)) for number, text in found]


def _without_ignored(path: Path, entries: Sequence[Entry]) -> list[Entry]:
    """Returns entries without the first line of labelme's `labels.txt`, which has the id -1."""
    for index, entry in enumerate(entries):
        if entry.name != _LABELME_IGNORE:
            continue
        if index or entry.id is not None:
            raise refusal(
                path,
                entry.line,
                entry.name,
                "is labelme's name for what has no class, and belongs in the first line. Remove it here",
            )
        if len(entries) < 2 or entries[1].name != _LABELME_BACKGROUND:
            received = entries[1].name if len(entries) > 1 else ""
            line = entries[1].line if len(entries) > 1 else entry.line
            raise refusal(
                path,
                line,
                received,
                f"follows {_LABELME_IGNORE} where labelme expects {_LABELME_BACKGROUND}, so its id is not "
                f"certain. Remove {_LABELME_IGNORE}, or add {_LABELME_BACKGROUND} after it",
            )
        return list(entries[1:])
    return list(entries)
