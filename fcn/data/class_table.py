"""Lists of classes in tables and with numbers: ids or colors beside the names."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fcn.classes import VOID
from fcn.errors import DataError

_ONE_NAME_A_LINE = "Expected one name a line, in the order of the class ids, from id 0 on."
_NUMBER = re.compile(r"-?\d{1,9}")
_NUMBER_FIRST = re.compile(r"(?P<id>-?\d{1,9})(?:\s*[:=]\s*|[.)]\s+|\s+-\s+|\s+)(?P<name>\S.*)")
_NUMBER_LAST = re.compile(r"(?P<name>.*\S)(?P<mark>\s*[:=]\s*|\s+)(?P<id>-?\d{1,9})")
_COLUMNS = {
    "id": {"id", "index", "value", "pixel value", "class id", "class_id", "label id"},
    "name": {"name", "class", "label", "class name", "class_name"},
    "color": {"r", "g", "b", "red", "green", "blue"},
}
_VOID_IDS = (-1, VOID)

Color = tuple[int, int, int]


class ListLine(NamedTuple):
    """A line of a list with its number, from 1 on."""

    number: int
    text: str


class Entry(NamedTuple):
    """A class of a list; the id is None where the order of the lines gives it."""

    line: int
    id: int | None
    name: str
    color: Color | None = None


def refusal(path: Path, number: int, text: str, problem: str) -> DataError:
    """Returns the error about a line, with what is wrong with it."""
    shown = text if len(text) <= 60 else f"{text[:60]}..."
    return DataError(f"{path}, line {number}: {shown!r} {problem}. {_ONE_NAME_A_LINE}")


def read_color(path: Path, number: int, text: str, parts: Sequence[str]) -> Color:
    """Returns the color that three numbers give, or refuses the line."""
    red, green, blue = (int(part) if _NUMBER.fullmatch(part.strip()) else -1 for part in parts)
    if not all(0 <= value <= 255 for value in (red, green, blue)):
        raise refusal(path, number, text, "has a color that is not three numbers from 0 to 255")
    return red, green, blue


def unquoted(path: Path, number: int, text: str) -> str:
    """Returns text without the quotes around it; half of a pair is refused."""
    quote = text[:1]
    if quote not in ('"', "'") or quote in text[1:-1]:  # of a line of several parts, the parts are unquoted
        return text
    if len(text) < 3 or not text.endswith(quote):
        raise refusal(path, number, text, "has a quote without its other half. Remove it")
    return text[1:-1].strip()


def fields_of(text: str, separator: str) -> list[str]:
    """Returns the fields of a line of a table, without quotes."""
    try:
        fields = next(csv.reader([text], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:  # a part is longer than any name
        fields = [text]
    return [field.strip().strip("'") for field in fields]


def table_entries(path: Path, lines: Sequence[ListLine]) -> list[Entry]:
    """Returns the classes of a table: names with ids or colors, separated by commas, semicolons or tabs.

    Nothing is returned for a list that is not a table: a name may have a comma in it.
    """
    for separator in ",;\t":
        rows = [(number, text, fields_of(text, separator)) for number, text in lines]
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
            color = read_color(path, number, text, others[-3:]) if width > 2 else None
            entries.append(Entry(number, class_id, fields[name_column], color))
        return entries
    return []


def numbered_entries(path: Path, lines: Sequence[ListLine]) -> list[Entry]:
    """Returns the classes of a list with an id before or after each name; nothing for other lists."""
    found = [_NUMBER_FIRST.fullmatch(text) for _, text in lines]
    if all(found):
        return [
            Entry(line.number, int(match["id"]), unquoted(path, line.number, match["name"]))
            for line, match in zip(lines, found, strict=True)
            if match
        ]
    found = [_NUMBER_LAST.fullmatch(text) for _, text in lines]
    if not all(found):
        return []
    entries = [
        Entry(line.number, int(match["id"]), unquoted(path, line.number, match["name"]))
        for line, match in zip(lines, found, strict=True)
        if match
    ]
    # "boeing 737" and "class 1" are names; ids are all there, or after a colon.
    unique = len({entry.name for entry in entries}) == len(entries)
    complete = {entry.id for entry in entries} - {*_VOID_IDS} == {*range(len(_with_ids(entries)))}
    marked = all(match and match["mark"].strip() for match in found)
    return entries if unique and (complete or marked) else []


def _with_ids(entries: Sequence[Entry]) -> list[Entry]:
    """Returns the entries of classes, without void."""
    return [entry for entry in entries if entry.id not in _VOID_IDS]


def in_order(path: Path, entries: Sequence[Entry]) -> list[Entry]:
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
                f"{_ONE_NAME_A_LINE} If the numbers belong to the names, put all names in quotes."
            )
    return ordered
