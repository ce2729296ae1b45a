"""Joins what was read from several folders to one source."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fcn.errors import DataError
from fcn.labels.importing.readers import labelme
from fcn.labels.importing.source import BACKGROUND_KEY, VOID_KEY, Item, Keys, Source, SourceClass
from fcn.system.remedies import as_started


def join_sources(sources: Sequence[Source], folders: Sequence[Path]) -> Source:
    """Returns one source of the images of all.

    Classes of labelme are names, so folders may show different ones: their classes follow each other in the
    order of the folders. Of other forms a key means another class where the classes differ.

    Args:
        sources: What was read from each folder, all of one form.
        folders: The folders, for messages.

    Raises:
        DataError: If the classes differ in a form that numbers them.
    """
    first = sources[0]
    if any(source.classes != first.classes for source in sources):
        if first.form != labelme.NAME:
            raise DataError(
                f"{folders[0]}: its classes differ from those of the other folders. {in_one_form()}"
            )
        sources = _with_the_same_keys(sources)
    return sources[0]._replace(
        items=[item for source in sources for item in source.items],
        notes=tuple(note for source in sources for note in source.notes),
        implies_background=all(source.implies_background for source in sources),
        blanks=tuple(one for source in sources for one in source.blanks),
    )


def in_one_form() -> str:
    """Returns a sentence on how labels that cannot be imported together become one data set."""
    export = as_started("python -m fcn data export")
    return (
        "Classes of labelme go by their names, so bring all into that form: import each folder alone, export "
        f"it ({export} ROOT --format labelme --output FOLDER), and import what was exported together."
    )


def _with_the_same_keys(sources: Sequence[Source]) -> list[Source]:
    """Returns sources whose keys mean the same classes, by their names."""
    declared = [entry for source in sources for entry in source.classes.items()]
    background = {key: one for key, one in declared if key == BACKGROUND_KEY}
    names = dict.fromkeys(one.name for key, one in declared if key != BACKGROUND_KEY)
    key_of = {name: key for key, name in enumerate(names, start=BACKGROUND_KEY + 1)}
    classes = background | {key: SourceClass(name) for name, key in key_of.items()}
    return [
        source._replace(classes=classes, items=[_renumber(item, source, key_of) for item in source.items])
        for source in sources
    ]


def _renumber(item: Item, source: Source, key_of: dict[str, int]) -> Item:
    table = np.full(max(source.classes, default=BACKGROUND_KEY) + 2, VOID_KEY, np.int32)
    table[BACKGROUND_KEY] = BACKGROUND_KEY
    for key, one in source.classes.items():
        if key != BACKGROUND_KEY:
            table[key] = key_of[one.name]
    return item._replace(read_keys=partial(_read_renumbered, item, table))


def _read_renumbered(item: Item, table: npt.NDArray[np.int32], size: tuple[int, int]) -> Keys:
    return table[item.read_keys(size)]  # void, -1, is the last one of the table
