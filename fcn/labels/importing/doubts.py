"""Describes classes of an import that are probably not what was meant."""

import unicodedata
from collections import Counter, defaultdict

from fcn.classes import VOID
from fcn.labels.importing.choice import Choice
from fcn.labels.importing.counting import Tally
from fcn.labels.importing.source import Color, class_of_key
from fcn.system.text import counted


def describe_choice(choice: Choice, tally: Tally) -> list[str]:
    """Returns sentences about classes that are probably not what was meant."""
    pixels = Counter[str]()
    for row in choice.rows:
        if row.class_id != VOID:
            pixels[choice.classes.names[row.class_id]] += tally.pixels[row.key]
    spellings: dict[str, list[str]] = defaultdict(list)
    for name in choice.classes.names:
        spellings[_spelling(name)].append(name)
    notes = _describe_unnamed(choice, tally) + _describe_colors(choice)
    notes += [
        f"{', '.join(map(repr, names))} are different classes. If they are one: --merge "
        f"'{','.join(names)}={max(names, key=pixels.__getitem__)}'"
        for names in spellings.values()
        if len(names) > 1
    ]
    used = {row.class_id for row in choice.rows if tally.pixels[row.key]} | {*choice.stray.values()}
    used.discard(VOID)
    if len(used) < 2:
        held = f"one class only, {choice.classes.names[used.pop()]!r}" if used else "void only"
        notes.append(f"the labels hold {held}, so there is nothing to learn from them")
    return notes


def _describe_unnamed(choice: Choice, tally: Tally) -> list[str]:
    """Returns a sentence if classes are called by their color or id, since the source does not name them."""
    unnamed = [
        row.name
        for row in choice.rows
        if tally.pixels[row.key]
        and row.class_id != VOID
        and row.name == class_of_key(row.key).name
        and choice.classes.names[row.class_id] == row.name
    ]
    if not unnamed:
        return []
    have = counted(len(unnamed), "class has no name", "classes have no names")
    them, each = ("it", "") if len(unnamed) == 1 else ("them", ", once for each")
    return [f"{have} in the source. Name {them} before you train: --map '{unnamed[0]}=NAME'{each}"]


def _describe_colors(choice: Choice) -> list[str]:
    """Returns a sentence if the source gives classes one color, which are written with others."""
    owners: dict[Color, set[int]] = defaultdict(set)
    for row in choice.rows:
        if row.color is not None and row.class_id != VOID:
            owners[row.color].add(row.class_id)
    shared = next((ids for ids in owners.values() if len(ids) > 1), None)
    if shared is None:
        return []
    names = ", ".join(repr(choice.classes.names[class_id]) for class_id in sorted(shared))
    return [f"{names} have one color in the source; Pascal VOC's colors were taken, which differ"]


def _spelling(name: str) -> str:
    """Returns what spellings of a name have in common: its letters and digits, in one case."""
    folded = unicodedata.normalize("NFC", name).casefold()
    return "".join(filter(str.isalnum, folded)) or folded
