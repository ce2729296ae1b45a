"""Turns the classes of a source into class ids, as the user asks."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.classes import MAX_CLASSES, VOID, Classes, ClassNamesError, check_class_names
from fcn.data.image_io import Pixels
from fcn.errors import DataError
from fcn.labels.importing.black_and_white import WHITE, is_black_and_white, name_white
from fcn.labels.importing.class_lists import parse_color
from fcn.labels.importing.counting import Tally
from fcn.labels.importing.implied_background import drop_background
from fcn.labels.importing.main_keys import main_keys, name_key
from fcn.labels.importing.readers import ade20k
from fcn.labels.importing.source import (
    BACKGROUND_KEY,
    Color,
    Keys,
    Source,
    SourceClass,
    class_of_key,
    color_key,
    key_color,
)
from fcn.system.text import counted

_SHOWN = 12


class ClassOptions(NamedTuple):
    """Options of the user about classes. Classes of the source go by name, id or color.

    Attributes:
        names: Names of the classes, in the order of their ids; empty for those of the source.
        renamed: Pairs of a class of the source and its new name; several may get the same.
        void: Classes of the source that become void.
        background: The class of the source that gets the id 0; None for the source's own.
        color_tolerance: Largest difference of a channel at which a color counts as that of a class.
    """

    names: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    void: tuple[str, ...] = ()
    background: str | None = None
    color_tolerance: int = 0


class ChosenClass(NamedTuple):
    """A row of the proposal: a class of the source and what becomes of it.

    Attributes:
        key: Its key.
        name: Its name in the source.
        color: Its color there, if it has one.
        class_id: Its new id, or `VOID`.
    """

    key: int
    name: str
    color: Color | None
    class_id: int


class Choice(NamedTuple):
    """The classes of the new data set.

    Attributes:
        classes: Their names and colors.
        rows: What becomes of each class of the source, by key.
        stray: Class id of each color that is not a class but within the tolerance, `VOID` for others.
        stray_pixels: How many pixels those have.
        notes: Sentences for people.
    """

    classes: Classes
    rows: list[ChosenClass]
    stray: dict[int, int]
    stray_pixels: int
    notes: tuple[str, ...] = ()


def choose_classes(source: Source, tally: Tally, options: ClassOptions) -> Choice:
    """Returns what becomes of each class of a source.

    Raises:
        DataError: If a name is unknown, a class has no place among the names, or there are too many.
    """
    named = _named_keys(options)
    source, notes = drop_background(source, tally, {*_named_texts(options), *options.names})
    if WHITE not in named:
        source = name_white(source, tally)
    main = main_keys(source, tally, named, options.color_tolerance)
    found = {key: source.classes.get(key) or name_key(source, key) for key in main}
    found |= {key: one for key, one in source.classes.items() if key not in found}
    renamed = {_find(text, found, "--map or --merge"): name.strip() for text, name in options.renamed}
    background = _background_key(found, options)
    void = _void_keys(source, tally, found, options, renamed, background)
    # Spaces around a name are typed by mistake, and a list of classes does not keep them.
    new_names = {key: one.name.strip() for key, one in found.items() if key not in void}
    has_white = is_black_and_white(source, tally) and not {BACKGROUND_KEY, WHITE} & (void | renamed.keys())
    if has_white and not source.classes and len(options.names) == 2:
        new_names = dict(zip((BACKGROUND_KEY, WHITE), options.names, strict=True))
    elif _starts_with_id_0(source) and (options.background is None or background == BACKGROUND_KEY):
        by_id = _names_by_id(found, options.names, renamed)
        new_names |= {key: by_id[key] for key in new_names.keys() & by_id.keys()}
    new_names |= renamed
    declared = {key: place for place, key in enumerate(source.classes)}
    order = sorted(new_names, key=lambda key: (key != background, declared.get(key, len(declared)), key))
    names = options.names or tuple(dict.fromkeys(new_names[key] for key in order))
    _check_names(new_names, names, tally)
    ids = {name: number for number, name in enumerate(names)}
    rows = [
        ChosenClass(key, one.name, one.color, VOID if key in void else ids.get(new_names[key], VOID))
        for key, one in sorted(found.items())
    ]
    stray, stray_pixels = _stray(rows, tally, options.color_tolerance)
    if has_white and len(names) == 2 and {BACKGROUND_KEY, WHITE} <= new_names.keys():
        black, white = new_names[BACKGROUND_KEY], new_names[WHITE]
        notes.append(f"the masks hold 0 and 255 alone: 0 is {black!r} and 255 is {white!r}")
    return Choice(_colored(names, rows), rows, stray, stray_pixels, tuple(notes))


def _starts_with_id_0(source: Source) -> bool:
    """Returns whether a source has ids without names, of which 0 is the first class."""
    return not source.classes and source.form != ade20k.NAME  # there 0 is void, and 1 the first class


def _names_by_id(
    found: Mapping[int, SourceClass], names: Sequence[str], renamed: Mapping[int, str]
) -> dict[int, str]:
    """Returns the names that ids get from `names`, which are in the order of the ids.

    There are none if `names` has the name of an id at another place: they are in an order of their own then.

    Args:
        found: The classes by key.
        names: Names that the user gives in order.
        renamed: Names that the user gives to a key by itself; neither the keys nor the names are given again.
    """
    ids = [key for key in found if key_color(key) is None and 0 <= key < len(names) and key not in renamed]
    reordered = any(found[key].name in names and found[key].name != names[key] for key in ids)
    if reordered or {class_of_key(key).name for key in found} & {*names}:
        return {}
    return {key: names[key] for key in ids if names[key] not in renamed.values()}


def to_class_ids(keys: Keys, choice: Choice) -> Pixels:
    """Returns the label of an image, `uint8[H, W]`, for its keys; unknown ones become void."""
    table = {row.key: row.class_id for row in choice.rows} | choice.stray
    known: npt.NDArray[np.int64] = np.array(sorted(table), np.int64)
    ids = np.array([table[key] for key in known.tolist()], np.uint8)
    places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[places] == keys, ids[places], VOID).astype(np.uint8)


def _named_texts(options: ClassOptions) -> list[str]:
    """Returns the names, ids and colors by which the user names classes of the source."""
    background = [] if options.background is None else [options.background]
    return [*(old for old, _ in options.renamed), *options.void, *background]


def _named_keys(options: ClassOptions) -> set[int]:
    """Returns the keys that the user names by a color or number."""
    texts = _named_texts(options)
    colors = {color_key(color) for text in texts if (color := parse_color(text)) is not None}
    return colors | {int(text) for text in texts if text.isdecimal() and len(text) < 6}


def _background_key(found: Mapping[int, SourceClass], options: ClassOptions) -> int | None:
    if options.background is not None:
        return _find(options.background, found, "--background")
    return next((key for key in (BACKGROUND_KEY, color_key((0, 0, 0))) if key in found), None)


def _find(text: str, found: Mapping[int, SourceClass], option: str) -> int:
    """Returns the key of a class that the user names.

    Raises:
        DataError: If there is none.
    """
    by_name = {one.name: key for key, one in found.items()}
    if text in by_name:
        return by_name[text]
    color = parse_color(text)
    if color is not None and color_key(color) in found:
        return color_key(color)
    by_number = {key: key for key, one in found.items() if one.number is None}
    by_number |= {one.number: key for key, one in found.items() if one.number is not None}
    if text.isdecimal() and int(text) in by_number:
        return by_number[int(text)]
    near = get_close_matches(text, by_name, 1, 0.0)
    raise DataError(
        f"{option}: the source has no class {text!r}. The nearest is {near[0]!r}. It has: {_listed(by_name)}."
    )


def _void_keys(
    source: Source,
    tally: Tally,
    found: Mapping[int, SourceClass],
    options: ClassOptions,
    renamed: Mapping[int, str],
    background: int | None,
) -> set[int]:
    """Returns the keys that become void: those that the user names, or else the source's own.

    Raises:
        DataError: If a name is unknown, or another option keeps its class.
    """
    void = {_find(text, found, "--void") for text in options.void}
    kept = set(renamed)
    if options.background is not None and background is not None:
        kept.add(background)
    if both := void & kept:
        shown = found[min(both)].name
        raise DataError(f"--void: makes {shown!r} void, and another option keeps it. Leave out one of them.")
    others = found.keys() - source.void_keys - void - {BACKGROUND_KEY, color_key((0, 0, 0))}
    if not void and others & tally.pixels.keys():
        void |= source.void_keys & found.keys() - kept
    return void


def _check_names(new_names: Mapping[int, str], names: Sequence[str], tally: Tally) -> None:
    """Refuses names that cannot be those of classes, or leave a class of the source without a place."""
    for key, name in new_names.items():
        if name not in names and tally.pixels[key]:
            near = get_close_matches(name, names, 1, 0.0)
            raise DataError(
                f"--classes: has no {name!r}, which "
                f"{counted(tally.images[key], 'image has', 'images have')}. The nearest is {near[0]!r}. Add "
                f"it, or say what it is: --map '{name}={near[0]}' or --void '{name}'."
            )
    if len(names) > MAX_CLASSES:
        raise DataError(
            f"The source has {len(names)} classes; a net has at most {MAX_CLASSES}. Leave some out with "
            "--void, or merge them with --merge."
        )
    try:
        check_class_names(names)
    except ClassNamesError as error:
        raise DataError(f"The classes: {error} Name them with --classes or --map.") from error


def _listed(names: Sequence[str] | dict[str, int]) -> str:
    shown = list(names)
    return ", ".join(shown[:_SHOWN]) + (", ..." if len(shown) > _SHOWN else "")


def _stray(rows: Sequence[ChosenClass], tally: Tally, tolerance: int) -> tuple[dict[int, int], int]:
    colors = {row.key: row for row in rows if key_color(row.key) is not None}
    stray = [key for key in tally.pixels if key_color(key) is not None and key not in colors]
    if not stray or not colors:
        return {}, 0
    known = np.array([key_color(key) for key in colors], np.int16)
    ids = [row.class_id for row in colors.values()]
    result: dict[int, int] = {}
    for key in stray:
        distances = np.abs(known - np.array(key_color(key), np.int16)).max(axis=1)
        nearest = int(distances.argmin())
        result[key] = ids[nearest] if distances[nearest] <= tolerance else VOID
    return result, sum(tally.pixels[key] for key in stray)


def _colored(names: tuple[str, ...], rows: Sequence[ChosenClass]) -> Classes:
    """Returns classes with the colors of the source where each class has its own, or else VOC's."""
    colors = {row.class_id: row.color for row in rows if row.color is not None}
    # What no shape covers has no color in tools that draw shapes.
    uncovered = next((row.class_id for row in rows if row.key == BACKGROUND_KEY and row.color is None), VOID)
    colors.setdefault(uncovered, (0, 0, 0))
    plain = Classes.named(names)
    given = [colors.get(number) for number in range(len(names))]
    if None in given or len(set(given)) < len(given):
        return plain
    return Classes(names, tuple(color for color in given if color is not None))
