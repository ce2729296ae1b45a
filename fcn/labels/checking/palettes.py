"""Judges the palettes of labels: whether an id seems to mean the same class in all of them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fcn.classes import Color
from fcn.data.examination import Facts
from fcn.data.split_list import Example
from fcn.data.voc import are_distinct
from fcn.labels.checking.finding import Finding
from fcn.system.remedies import as_started
from fcn.system.text import counted


def judge_palettes(
    known: Sequence[tuple[Example, Facts]], list_colors: Sequence[Color] | None
) -> list[Finding]:
    """Returns whether the palettes of labels contradict each other, or the colors of the class list.

    An id is what counts, but one that has another color in each file was made by a tool that numbers colors
    for each file. Then the same id means different classes.
    """
    listed = [] if list_colors is None else [*list_colors]
    first: dict[int, tuple[Color, Path]] = {}
    conflicts: dict[int, list[str]] = defaultdict(list)
    against_list = []
    example_text = ""
    for example, facts in known:
        if not facts.colors or not _is_colored(facts.colors):
            continue
        for index, color in facts.colors.items():
            if index < len(listed) and color != listed[index] and color in listed:
                against_list.append(
                    f"{example.label_path}: id {index} is {_rgb(color)}, the color of id "
                    f"{listed.index(color)} in labels.txt"
                )
                continue
            seen, path = first.setdefault(index, (color, example.label_path))
            if seen != color:
                conflicts[index].append(str(example.label_path))
                example_text = example_text or (
                    f"id {index} is {_rgb(seen)} in {path} and {_rgb(color)} in {example.label_path}"
                )
    findings = []
    if against_list:
        text = (
            f"{counted(len(against_list), 'palette contradicts', 'palettes contradict')} the colors in "
            "labels.txt, so the ids would mean other classes. Write the ids in the order of labels.txt "
            f"({as_started('python -m fcn')} data check ROOT --fix NEWROOT --palettes colors), or leave out "
            "the colors there."
        )
        findings.append(Finding("palettes", True, text, tuple(against_list)))
    if conflicts:
        files = sorted({path for paths in conflicts.values() for path in paths})
        text = (
            f"The palettes of labels disagree: {example_text}; in all {len(files)} files differ. So it is "
            "not certain that an id means the same class everywhere. If the ids are right, save all labels "
            f"with one palette: {as_started('python -m fcn')} data check ROOT --fix NEWROOT --palettes ids. "
            "If the colors are right, write them into labels.txt (name:r,g,b:: a line) and use --palettes "
            "colors."
        )
        findings.append(Finding("palettes", True, text, tuple(files)))
    return findings or _judge_shared_colors(known)


def judge_listed_colors(names: Sequence[str], list_colors: Sequence[Color] | None) -> list[Finding]:
    """Returns whether the class list gives classes one color.

    Args:
        names: Names of the classes.
        list_colors: Colors of the class list, one for each; None where it has none.
    """
    owners: dict[Color, list[str]] = defaultdict(list)
    for name, color in zip(names, list_colors or (), strict=False):
        owners[color].append(name)
    alike = [
        f"{', '.join(map(repr, found))}: {_rgb(color)}" for color, found in owners.items() if len(found) > 1
    ]
    if not alike:
        return []
    text = (
        f"labels.txt gives classes one color ({alike[0]}). Masks of colors cannot tell them apart. Where "
        "labels are shown, the colors of the first label are used, or Pascal VOC's. Give each class its own "
        "color there."
    )
    return [Finding("one color for two classes", False, text, tuple(alike))]


def _judge_shared_colors(known: Sequence[tuple[Example, Facts]]) -> list[Finding]:
    """Returns whether a color is that of one id in some labels, and of another id in others.

    A palette in which two ids of one label look the same is not good, but tells nothing about the ids.
    """
    places: dict[Color, dict[int, Path]] = defaultdict(dict)
    alike: set[Color] = set()
    for example, facts in known:
        if facts.colors and _is_colored(facts.colors):
            for index, color in facts.colors.items():
                places[color].setdefault(index, example.label_path)
            alike |= {color for color, count in Counter(facts.colors.values()).items() if count > 1}
    shared = {color: ids for color, ids in places.items() if len(ids) > 1 and color not in alike}
    if not shared:
        return []
    color, ids = next(iter(shared.items()))
    (one, path), (other, other_path) = [*ids.items()][:2]
    text = (
        f"{_rgb(color)} is the color of id {one} in {path} and of id {other} in {other_path}. If the tool "
        "that wrote them numbers colors for each file, an id does not mean the same class everywhere."
    )
    return [Finding("one color for two ids", False, text)]


def _is_colored(colors: dict[int, Color]) -> bool:
    """Returns whether a palette shows something: not a ramp of grays, in which a color is only the id."""
    if all(color == (index, index, index) for index, color in colors.items()):
        return False
    return are_distinct(np.array([*colors.values()], np.uint8))


def _rgb(color: Color) -> str:
    return f"rgb({color[0]}, {color[1]}, {color[2]})"
