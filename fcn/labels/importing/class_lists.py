"""Finds the classes that tools list beside their masks, and reads colors."""

import re
from pathlib import Path

from fcn.data.class_list import CLASS_LISTS, read_listed_classes
from fcn.data.class_table import LABELME_BACKGROUND, ListedClass
from fcn.labels.importing.source import BACKGROUND, Color


def find_classes(folder: Path) -> list[ListedClass]:
    """Returns the classes of the first list in a folder or in those below it; none without a list.

    Raises:
        DataError: If the list is damaged, or its meaning is not certain.
    """
    for name in CLASS_LISTS:
        for path in [folder / name, *sorted(folder.glob(f"*/{name}"))]:
            if path.is_file() and (found := read_listed_classes(path)):
                return [
                    one._replace(name=BACKGROUND) if one.name == LABELME_BACKGROUND else one for one in found
                ]
    return []


def parse_color(text: str) -> Color | None:
    """Returns the color that a text means, "#ff8000" or "255,128,0"; None if it means none.

    Example:
        >>> parse_color("#ff8000"), parse_color("cat")
        ((255, 128, 0), None)
    """
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
    found = re.fullmatch(r"(\d{1,3}),(\d{1,3}),(\d{1,3})", text)
    if found and all(int(value) < 256 for value in found.groups()):
        return int(found[1]), int(found[2]), int(found[3])
    return None
