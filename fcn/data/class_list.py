"""Lists of class names, as this package and other tools write them.

`labels.txt` has one name a line, in the order of the class ids. Lists of labelme, CVAT, Roboflow, YOLO and
others look much the same, but mean something else. Where the meaning is certain they are read; else they are
refused with the line and what to write instead.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fcn.classes import MAX_CLASSES, MAX_CLASSES_FILE_BYTES, ClassNamesError, Color, check_class_names
from fcn.data.class_list_check import check_lines
from fcn.data.class_table import (
    IGNORE,
    LABELME_BACKGROUND,
    ListedClass,
    ListLine,
    check_ids,
    class_with_id,
    colored_classes,
    fields_of,
    in_order_of_ids,
    in_order_of_lines,
    numbered_classes,
    read_color,
    refusal,
    table_classes,
    unquoted,
)
from fcn.errors import DataError
from fcn.system.files import unreadable
from fcn.system.json_files import parse_json

CLASS_LISTS = (
    "labelmap.txt",
    "class_names.txt",
    "_classes.csv",
    "class_dict.csv",
    "label_colors.txt",
    "labels.txt",
    "classes.txt",
    "obj.names",
)
"""Names that tools give to their lists of classes; those with colors or values come first."""

DOUBTFUL_CLASS_LISTS = ("label_map.txt", "names.txt")
"""Names of files that may be lists of classes, or of something else."""

CLASS_DOCUMENTS = ("data.yaml", "data.yml", "meta.json", "classes.json")
"""Names of files in which tools such as YOLO and Supervisely name classes, among other things."""

_CVAT_COMMENT = re.compile(r"#\s*label\s*:", re.IGNORECASE)
_CVAT_LINE = re.compile(r"(?P<name>[^:]+):(?P<color>\d+\s*,\s*\d+\s*,\s*\d+)?(?::[^:]*:[^:]*|:)?")
_CVAT_COLONS = 3
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


def read_listed_classes(path: Path) -> list[ListedClass]:
    """Reads the list of classes of any tool, in the order of its lines; ids may have gaps.

    Args:
        path: One name a line; or a list of labelme (`__ignore__` first), of CVAT (`name:r,g,b::`), with ids
            or colors beside the names, in quotes, or as JSON.

    Raises:
        DataError: If the list cannot be read, or its meaning is not certain; names the line.
    """
    return _parse(path, _read_text(path))


def read_class_list(path: Path) -> ClassList:
    """Reads the class list of a data set, with the ids 0, 1, 2 and so on; void is left out.

    Args:
        path: A list in any form that `read_listed_classes` reads.

    Raises:
        DataError: As `read_listed_classes` does, or if the names cannot be those of classes.
    """
    return _names_and_colors(path, read_listed_classes(path))


def format_class_list(names: Sequence[str]) -> str:
    r"""Returns the text of a list that `read_class_list` reads as these names, with quotes where it must.

    Example:
        >>> format_class_list(["sky", "sea"]), format_class_list(["1 euro", "2 euro"])
        ('sky\nsea\n', '"1 euro"\n"2 euro"\n')
    """
    plain = "".join(f"{name}\n" for name in names)
    try:
        path = Path("labels.txt")
        is_plain = _names_and_colors(path, _parse(path, plain)) == (tuple(names), None)
    except DataError:
        is_plain = False
    quote = "'" if any('"' in name for name in names) else '"'
    return plain if is_plain else "".join(f"{quote}{name}{quote}\n" for name in names)


def whole_lines_hint(names: Sequence[str], found: Sequence[str]) -> str:
    """Returns how a data set keeps names that version 0.1 took from whole lines of its list.

    Args:
        names: Names of the classes of a net.
        found: Names that the list of a data set has now.

    Returns:
        A sentence that begins with a space; "" if the names differ for another reason.

    Example:
        >>> whole_lines_hint(["sky:0,0,9::", "sea:0,9,0::"], ["sky", "sea"])
        ' Version 0.1 took whole lines of labels.txt as names: to keep these names, put each line in quotes.'
        >>> whole_lines_hint(["sky", "sea"], ["sea", "sky"])
        ''
    """
    path = Path("labels.txt")
    try:
        read = _names_and_colors(path, _parse(path, "".join(f"{name}\n" for name in names))).names
    except DataError:
        return ""
    if read == tuple(names) or read != tuple(found):
        return ""
    return (
        " Version 0.1 took whole lines of labels.txt as names: to keep these names, put each line in quotes."
    )


def _names_and_colors(path: Path, listed: Sequence[ListedClass]) -> ClassList:
    """Returns names and colors in the order of the ids.

    Raises:
        DataError: If an id is missing, or the names cannot be those of classes.
    """
    classes = in_order_of_ids(path, listed)
    names = [one.name for one in classes]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        shown = ", ".join(twice[:5])
        raise DataError(f"{path}: names a class twice: {shown}. Keep one line for each class.")
    try:
        checked = check_class_names(names)
    except ClassNamesError as error:
        raise DataError(f"{path}: {error} Correct the file: it has one name a line.") from error
    colors = [one.color for one in classes if one.color is not None]
    return ClassList(checked, tuple(colors) if len(colors) == len(classes) else None)


def _parse(path: Path, text: str) -> list[ListedClass]:
    lines = [
        ListLine(number, line)
        for number, raw in enumerate(text.splitlines(), 1)
        if (line := raw.replace("\ufeff", "").strip())
    ]
    classes = _classes_in(path, lines)
    check_ids(path, classes)
    return classes


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


def _classes_in(path: Path, lines: Sequence[ListLine]) -> list[ListedClass]:
    if not lines:
        return []
    if all(_QUOTED.fullmatch(line.text) for line in lines):  # whatever they look like, they are names
        return in_order_of_lines([line._replace(text=line.text[1:-1].strip()) for line in lines])
    if lines[0].text[0] in "[{":
        return _json_classes(path, lines)
    if _is_cvat(lines):
        return _cvat_classes(path, lines)
    for line in lines:
        if line.text.startswith(("#", "//")):
            problem = "looks like a comment, which would be a class here. Remove it, or put names in quotes"
            raise refusal(path, line, problem)
    plain = _plain_lines(path, lines)
    for read in (table_classes, colored_classes, numbered_classes) if plain else ():
        if classes := read(path, plain):
            return classes
    if plain:
        check_lines(path, plain)
    return _named_classes(path, plain)


def _json_classes(path: Path, lines: Sequence[ListLine]) -> list[ListedClass]:
    """Returns the names of a JSON list; other JSON is refused."""
    try:
        value = parse_json("\n".join(line.text for line in lines))
    except ValueError:
        value = None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise refusal(path, lines[0], "begins neither a name nor a JSON list of names")
    return in_order_of_lines([ListLine(lines[0].number, name.strip()) for name in value])


def _is_cvat(lines: Sequence[ListLine]) -> bool:
    """Returns whether a list is CVAT's: by its comment, a color after a colon, or the colons of all lines."""
    if _CVAT_COMMENT.match(lines[0].text):
        return True
    if all(line.text.count(":") == _CVAT_COLONS for line in lines):
        return True
    return any((found := _CVAT_LINE.fullmatch(line.text)) and found["color"] for line in lines)


def _cvat_classes(path: Path, lines: Sequence[ListLine]) -> list[ListedClass]:
    """Returns the classes of CVAT's `labelmap.txt`, in the order of the lines, which is that of the ids."""
    classes: list[ListedClass] = []
    for line in lines:
        if line.text.startswith("#"):
            continue
        found = _CVAT_LINE.fullmatch(line.text)
        if found is None:
            raise refusal(path, line, "is not in CVAT's form name:r,g,b:: as other lines are")
        color = read_color(path, line, found["color"].split(",")) if found["color"] else None
        classes.append(class_with_id(line, len(classes), found["name"].strip(), color))
    return classes


def _plain_lines(path: Path, lines: Sequence[ListLine]) -> list[ListLine]:
    """Returns lines without what surrounds names in programs: headings, dashes, last commas, quotes."""
    found = list(lines)
    if len(found) > 1 and found[0].text.lower() in _SECTIONS:
        found = found[1:]
    if all(line.text.startswith("- ") for line in found):
        found = [line._replace(text=line.text[2:].strip()) for line in found]
    if len(found) == 1 and "," in found[0].text:
        parts = fields_of(found[0].text, ",")
        found = [found[0]._replace(text=part.strip()) for part in parts if part.strip()]
    elif len(found) > 1 and all(line.text.endswith(",") for line in found[:-1]):
        found = [line._replace(text=line.text.removesuffix(",").strip()) for line in found]
    return [unquoted(path, line) for line in found]


def _named_classes(path: Path, lines: Sequence[ListLine]) -> list[ListedClass]:
    """Returns the classes of a list that has only names; the first line of labelme's has the id -1."""
    for line in lines[1:]:
        if line.text == IGNORE:
            problem = "is labelme's name for what has no class, and belongs in the first line. Remove it here"
            raise refusal(path, line, problem)
    if not lines or lines[0].text != IGNORE:
        return in_order_of_lines(lines)
    following = lines[1] if len(lines) > 1 else lines[0]._replace(text="")
    if following.text != LABELME_BACKGROUND:
        problem = (
            f"follows {IGNORE} where labelme expects {LABELME_BACKGROUND}, so its id is not certain. Remove "
            f"{IGNORE}, or add {LABELME_BACKGROUND} after it"
        )
        raise refusal(path, following, problem)
    return in_order_of_lines(lines, first=-1)
