"""Names beside their colors."""

from collections.abc import Iterable
from typing import NamedTuple

from fcn.classes import VOID, Classes, Color


class Swatch(NamedTuple):
    """A name and its color in pictures.

    Attributes:
        name: Name of a class, for example.
        color: RGB.
    """

    name: str
    color: Color


def class_swatches(classes: Classes, ids: Iterable[int]) -> list[Swatch]:
    """Returns names and colors of classes.

    Args:
        classes: The names and the palette.
        ids: Which of them, in this order; 255 is void.

    Example:
        >>> class_swatches(Classes(("sky", "sea"), ((1, 2, 3), (4, 5, 6))), [1, 255])
        [Swatch(name='sea', color=(4, 5, 6)), Swatch(name='void', color=(224, 224, 192))]
    """
    palette = classes.full_palette().tolist()
    names = dict(enumerate(classes.names)) | {VOID: "void"}
    return [Swatch(names[index], (*palette[index],)) for index in ids]


def css_color(color: Color) -> str:
    """Returns an RGB color as CSS writes it.

    Example:
        >>> css_color((255, 0, 16))
        '#ff0010'
    """
    return "#" + bytes(color).hex()
