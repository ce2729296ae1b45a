"""Finds the names of the classes in a folder of labels that `infer` wrote: the PNGs have only ids and colors.

The job names all classes of the net, as do `areas.csv` and `coco.json`. A job that an older version started
names, for each image, those that it has: they are the ids in its label, in the same order.
"""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fcn.classes import MAX_CLASSES_FILE_BYTES, VOID, Classes, ClassNamesError, check_class_names
from fcn.data.class_list import read_class_list
from fcn.data.image_io import read_label, read_palette
from fcn.errors import DataError
from fcn.labels.exporting.labeled import Labeled
from fcn.outputs.areas import COLUMNS as AREAS_COLUMNS
from fcn.outputs.regions import present_ids
from fcn.outputs.summaries import AREAS_NAME, COCO_NAME
from fcn.system.files import unreadable
from fcn.system.json_files import parse_json
from fcn.system.parallel import map_on_all_cores
from fcn.system.progress import track
from fcn.system.text import csv_text

_EARLIER_COLUMNS = 4  # path, width, height and mean confidence
_BEFORE_IMAGES = ', "images": ['
_REMEDY = "Name the classes with --classes FILE|NAME,..., in the order of their ids."


def parse_names(text: str) -> tuple[str, ...]:
    """Returns the names that `--classes` gives: those in the file that it names, or those that it lists.

    Raises:
        DataError: If they cannot be names of classes.

    Example:
        >>> parse_names("background, cat")
        ('background', 'cat')
    """
    try:
        return check_names(list_names(text))
    except ClassNamesError as error:
        raise DataError(f"--classes {text}: {error}") from error


def list_names(text: str) -> tuple[str, ...]:
    """Returns the names that a text lists, or those in the class list that it names, in any form.

    Those that a text lists are not checked.

    Raises:
        DataError: If the class list cannot be used.

    Example:
        >>> list_names("background, cat")
        ('background', 'cat')
    """
    # A list of many names is too long for a path, which `Path.is_file` does not take.
    if os.path.isfile(text):
        return read_class_list(Path(text)).names
    return tuple(name.strip() for name in text.split(","))


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """Returns names that can be those of classes.

    Raises:
        ClassNamesError: If they cannot.
    """
    checked = check_class_names(names)
    twice = sorted({name for name in checked if checked.count(name) > 1})
    if twice:
        raise ClassNamesError(f"expected each name once. Received twice: {', '.join(twice)}.")
    return checked


def find_classes(
    folder: Path, labeled: Sequence[Labeled], names_in: Mapping[str, Sequence[str]], names: tuple[str, ...]
) -> tuple[Classes, list[str]]:
    """Returns the classes of labels, with the colors of the first one, and sentences for people.

    Args:
        folder: The folder of the labels.
        labeled: The labels.
        names_in: Names of the classes in the label of each image, in the order of their ids, as a job has
            them; empty without a job.
        names: The names, if the user gives them or the job has them; else empty.

    Raises:
        DataError: If the names cannot be known, or a file with them is damaged.
    """
    notes: list[str] = []
    found = names or _names_of_areas(folder / AREAS_NAME) or _names_of_coco(folder / COCO_NAME)
    if not found:
        by_id = _names_by_id(labeled, names_in)
        if not by_id:
            raise DataError(f"{folder}: its labels have ids, and nothing there names them. {_REMEDY}")
        found = tuple(by_id.get(class_id, f"class {class_id}") for class_id in range(max(by_id) + 1))
        unknown = [name for class_id, name in enumerate(found) if class_id not in by_id]
        shown = f", so {', '.join(unknown)} are not names of the net" if unknown else ""
        notes.append(f"the job names only classes that occur in its labels{shown}; --classes names all")
    palette = read_palette(labeled[0].label)
    if palette is None or len(palette) < len(found):
        return Classes.named(found), notes
    return Classes.with_palette(found, palette), notes


def _names_of_areas(path: Path) -> tuple[str, ...]:
    """Returns the names in the head of a table of areas; none if there is no table."""
    line = _first_line(path)
    if line is None:
        return ()
    try:
        cells = next(csv.reader([line]), [])
    except csv.Error as error:
        raise DataError(f"{path}: was not written by infer, or is damaged ({error}). {_REMEDY}") from error
    before = len(AREAS_COLUMNS) if (*cells[: len(AREAS_COLUMNS)],) == AREAS_COLUMNS else _EARLIER_COLUMNS
    return _checked(path, [_name_of_cell(cell) for cell in cells[before:]])


def _name_of_cell(cell: str) -> str:
    """Returns the name that `csv_text` has changed into the text of a cell."""
    return cell[1:] if cell.startswith("'") and csv_text(cell[1:]) == cell else cell


def _names_of_coco(path: Path) -> tuple[str, ...]:
    """Returns the classes of annotations that `infer` wrote; none if there are no annotations."""
    line = _first_line(path)
    if line is None:
        return ()
    try:
        head = parse_json(f"{line.rstrip().removesuffix(_BEFORE_IMAGES)}}}")
        info = dict.get(head, "info", {})
        if "classes" in info:
            return _checked(path, info["classes"])
        names = {category["id"]: category["name"] for category in head["categories"]}
        return _checked(path, [names[class_id] for class_id in range(len(names))])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: was not written by infer, or is damaged ({error!r}). {_REMEDY}") from error


def _first_line(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            return file.readline(MAX_CLASSES_FILE_BYTES)
    except OSError as error:
        raise DataError(f"{path}: {unreadable(error)}") from error


def _checked(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    try:
        return check_names(names)
    except ClassNamesError as error:
        raise DataError(f"{path}: {error} {_REMEDY}") from error


def _names_by_id(labeled: Sequence[Labeled], names_in: Mapping[str, Sequence[str]]) -> dict[int, str]:
    """Returns the name of each class id that occurs, from the records of a job.

    Labels that were changed since do not count.

    Raises:
        DataError: If images disagree.
    """
    by_id: dict[int, str] = {}
    known = [one for one in labeled if one.name in names_in]
    for one, ids in track(_ids(known), "reading labels", total=len(known)):
        names = names_in[one.name]
        if len(names) != len(ids):
            continue
        for class_id, name in zip(ids, names, strict=True):
            if by_id.setdefault(class_id, name) != name:
                raise DataError(
                    f"{one.label}: its class {class_id} is {name!r} by its job, and {by_id[class_id]!r} by "
                    f"other images. The labels were changed. {_REMEDY}"
                )
    return by_id


def _ids(labeled: Sequence[Labeled]) -> Iterator[tuple[Labeled, list[int]]]:
    def read(one: Labeled) -> tuple[Labeled, list[int]]:
        return one, [class_id for class_id in present_ids(read_label(one.label)) if class_id != VOID]

    return map_on_all_cores(read, labeled)
