"""Lists of classes in tables and with numbers: ids or colors beside the names."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fcn.classes import VOID, VOID_NAMES, Color
from fcn.errors import DataError

_ONE_NAME_A_LINE = "Expected one name a line, in the order of the class ids, from id 0 on."
_NUMBER = re.compile(r"-?\d{1,9}")
_NUMBER_FIRST = re.compile(r"(?P<id>-?\d{1,9})(?P<mark>\s*[:=]\s*|[.)]\s+|\s+-\s+|\s+)(?P<name>\S.*)")
_NUMBER_LAST = re.compile(r"(?P<name>\S.*?)(?P<mark>\s*[:=]\s*|\s+-\s+|\s+)(?P<id>-?\d{1,9})")
_COLOR_FIRST = re.compile(r"(?P<color>-?\d{1,9}[\s,]+-?\d{1,9}[\s,]+-?\d{1,9})[\s,]+(?P<name>[^\s\d-].*)")
_COLUMNS = {
    **dict.fromkeys(("id", "index", "value", "pixel value", "class id", "class_id", "label id"), "id"),
    **dict.fromkeys(("name", "class", "label", "class name", "class_name"), "name"),
    **dict.fromkeys(("r", "g", "b", "red", "green", "blue"), "color"),
}
_NO_ID = -1

IGNORE, LABELME_BACKGROUND = "__ignore__", "_background_"
"""Names that labelme gives to what has no class, and to what no shape covers."""


class ListLine(NamedTuple):
    """A line of a list with its number, from 1 on."""

    number: int
    text: str


class ListedClass(NamedTuple):
    """A class of a list.

    Attributes:
        line: Number of its line, from 1 on.
        id: Class id: the one beside the name, or else the place in the list.
        name: Its name.
        color: RGB; None where the list gives none.
        is_void: Whether the line means pixels that belong to no class.
    """

    line: int
    id: int
    name: str
    color: Color | None = None
    is_void: bool = False


class _Columns(NamedTuple):
    """Places of the columns of a table."""

    name: int
    id: int | None
    color: tuple[int, ...]


class _Row(NamedTuple):
    """A row of a table."""

    line: ListLine
    fields: list[str]


def refusal(path: Path, line: ListLine, problem: str) -> DataError:
    """Returns the error about a line, with what is wrong with it."""
    shown = line.text if len(line.text) <= 60 else f"{line.text[:60]}..."
    return DataError(f"{path}, line {line.number}: {shown!r} {problem}. {_ONE_NAME_A_LINE}")


def read_color(path: Path, line: ListLine, parts: Sequence[str]) -> Color:
    """Returns the color that three numbers give, or refuses the line."""
    red, green, blue = (int(part) if _NUMBER.fullmatch(part.strip()) else -1 for part in parts)
    if not all(0 <= value <= 255 for value in (red, green, blue)):
        raise refusal(path, line, "has a color that is not three numbers from 0 to 255")
    return red, green, blue


def unquoted(path: Path, line: ListLine) -> ListLine:
    """Returns a line without the quotes around it; half of a pair is refused."""
    text, quote = line.text, line.text[:1]
    if quote not in ('"', "'") or quote in text[1:-1]:  # of a line of several parts, the parts are unquoted
        return line
    if len(text) < 3 or not text.endswith(quote):
        raise refusal(path, line, "has a quote without its other half. Remove it")
    return ListLine(line.number, text[1:-1].strip())


def fields_of(text: str, separator: str) -> list[str]:
    """Returns the fields of a line of a table, without quotes."""
    try:
        fields = next(csv.reader([text], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:  # a part is longer than any name
        fields = [text]
    return [field.strip().strip("'") for field in fields]


def in_order_of_lines(lines: Sequence[ListLine], first: int = 0) -> list[ListedClass]:
    """Returns the classes of a list that has only names.

    Args:
        lines: The names.
        first: Id of the first one.
    """
    return [
        ListedClass(line.number, place, line.text, is_void=place == _NO_ID)
        for place, line in enumerate(lines, first)
    ]


def class_with_id(line: ListLine, class_id: int, name: str, color: Color | None = None) -> ListedClass:
    """Returns a class that has an id or a color in its line; its name may tell that it is void."""
    is_void = class_id == _NO_ID or name == IGNORE or (class_id == VOID and name.lower() in VOID_NAMES)
    return ListedClass(line.number, class_id, name, color, is_void)


def table_classes(path: Path, lines: Sequence[ListLine]) -> list[ListedClass]:
    """Returns the classes of a table: names with ids or colors, separated by commas, semicolons or tabs.

    Nothing is returned for a list that is not a table: a name may have a comma in it.
    """
    for separator in ",;\t":
        rows = [_Row(line, fields_of(line.text, separator)) for line in lines]
        width = len(rows[0].fields)
        if len(rows) > 1 and (columns := _columns_of_header(rows[0].fields)):
            return _read_rows(path, rows[1:], columns, width)
        if columns := _columns_of_rows(rows):
            return _read_rows(path, rows, columns, width)
        # Colors below a heading in other words.
        if len(rows) > 1 and not any(map(_NUMBER.fullmatch, rows[0].fields)):
            columns = _columns_of_rows(rows[1:])
            if columns and columns.color and len(rows[1].fields) == width:
                return _read_rows(path, rows[1:], columns, width)
        odd = [row for row in rows if len(row.fields) != width]
        if odd and path.suffix.lower() == ".csv" and all(len(row.fields) > 1 for row in rows):
            raise refusal(path, odd[0].line, "does not have the columns of the first line")
    return []


def _columns_of_header(fields: Sequence[str]) -> _Columns | None:
    """Returns the columns that the first line names; None if it names none."""
    kinds = [_COLUMNS.get(field.lower(), "") for field in fields]
    colors = tuple(place for place, kind in enumerate(kinds) if kind == "color")
    is_known = "" not in kinds and kinds.count("name") == 1 and kinds.count("id") <= 1
    if not is_known or len(kinds) < 2 or len(colors) not in (0, 3):
        return None
    return _Columns(kinds.index("name"), kinds.index("id") if "id" in kinds else None, colors)


def _columns_of_rows(rows: Sequence[_Row]) -> _Columns | None:
    """Returns the columns of a table without a header, by what is a number in every row."""
    width = len(rows[0].fields)
    if width not in (2, 4, 5) or any(len(row.fields) != width for row in rows):
        return None
    names = [place for place in range(width) if not all(_NUMBER.fullmatch(row.fields[place]) for row in rows)]
    if len(names) != 1 or (width > 2 and names[0] > 1):
        return None
    others = [place for place in range(width) if place != names[0]]
    return _Columns(names[0], others[0] if width != 4 else None, tuple(others[-3:]) if width > 2 else ())


def _read_rows(path: Path, rows: Sequence[_Row], columns: _Columns, width: int) -> list[ListedClass]:
    classes = []
    for place, (line, fields) in enumerate(rows):
        numbers = [text for column, text in enumerate(fields) if column != columns.name]
        if len(fields) != width or not all(map(_NUMBER.fullmatch, numbers)):
            raise refusal(path, line, "does not fit the columns that the first line names")
        class_id = place if columns.id is None else int(fields[columns.id])
        color = [fields[column] for column in columns.color]
        found = read_color(path, line, color) if color else None
        classes.append(class_with_id(line, class_id, fields[columns.name], found))
    return classes


def colored_classes(path: Path, lines: Sequence[ListLine]) -> list[ListedClass]:
    """Returns the classes of a list with a color before each name; nothing for other lists."""
    found = [_COLOR_FIRST.fullmatch(line.text) for line in lines]
    if not all(found):
        return []
    return [
        class_with_id(line, place, match["name"], read_color(path, line, re.split(r"[\s,]+", match["color"])))
        for place, (line, match) in enumerate(zip(lines, found, strict=True))
        if match
    ]


def numbered_classes(path: Path, lines: Sequence[ListLine]) -> list[ListedClass]:
    """Returns the classes of a list with an id before or after each name; nothing for other lists."""
    for pattern in (_NUMBER_FIRST, _NUMBER_LAST):
        found = [pattern.fullmatch(line.text) for line in lines]
        if not all(found):
            continue
        matches = [match for match in found if match]
        classes = [
            class_with_id(line, int(match["id"]), unquoted(path, line._replace(text=match["name"])).text)
            for line, match in zip(lines, matches, strict=True)
        ]
        has_colons = all(match["mark"].strip() in (":", "=") for match in matches)
        if pattern is _NUMBER_FIRST:
            if not has_colons:  # "7 cat" may be an id and a name, or a name
                in_order_of_ids(path, classes)
            return classes
        # "boeing 737" and "class 1" are names; ids are all there, or after a colon.
        names = {one.name for one in classes}
        ids = [one.id for one in classes if one.id not in (_NO_ID, VOID)]
        is_complete = sorted(set(ids)) == [*range(len(ids))]
        return classes if len(names) == len(classes) and (is_complete or has_colons) else []
    return []


def check_ids(path: Path, classes: Sequence[ListedClass]) -> None:
    """Refuses ids that no class can have, and those of two classes."""
    known: set[int] = set()
    for one in classes:
        if one.id < _NO_ID:
            raise _wrong_id(path, one, "ids begin with 0")
        if one.id in known and not one.is_void:
            raise _wrong_id(path, one, "that id has a line already")
        known.add(one.id)


def in_order_of_ids(path: Path, classes: Sequence[ListedClass]) -> list[ListedClass]:
    """Returns classes in the order of their ids, which must be 0, 1, 2 and so on; void is left out."""
    check_ids(path, classes)
    ordered = sorted((one for one in classes if not one.is_void), key=lambda one: one.id)
    if len(ordered) <= VOID:  # or else there are too many names, and the last one is not void
        ordered = [one for one in ordered if one.id != VOID]
    for expected, one in enumerate(ordered):
        if one.id != expected:
            raise _wrong_id(path, one, f"id {expected} has no line")
    return ordered


def _wrong_id(path: Path, one: ListedClass, problem: str) -> DataError:
    """Returns the error about an id, with what is wrong with it."""
    return DataError(
        f"{path}, line {one.line}: gives {one.name[:60]!r} the id {one.id}, but {problem}. "
        f"{_ONE_NAME_A_LINE} If the numbers belong to the names, put all names in quotes."
    )
