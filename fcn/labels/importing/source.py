"""Results of a reader of the folders of another tool: images, the meaning of their labels, and splits.

Every reader turns the labels of an image into keys, `int32[H, W]`. What a key is depends on the form: the id
of a category, the value of a pixel, or a color (`color_key`). `fcn.labels.importing.choice` turns keys into
class ids.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.classes import BACKGROUND_NAMES as BACKGROUND_NAMES
from fcn.classes import Color as Color
from fcn.labels.importing.blank_shapes import BlankShapes

Keys = npt.NDArray[np.int32]

VOID_KEY = -1
"""Key of pixels that a tool marks as not labeled: they become void."""

BACKGROUND_KEY = 0
"""Key, in forms that draw shapes, of the pixels that no shape covers."""

BACKGROUND = "background"
"""Name of those pixels, unless the user chooses another."""

_COLOR = 1 << 24


class SourceClass(NamedTuple):
    """A class as a tool has it.

    Attributes:
        name: Its name there, or one made from its color or id.
        color: (red, green, blue) if the tool gives one.
        number: Its id there if its key is another; None if the key is the id.
    """

    name: str
    color: Color | None = None
    number: int | None = None


class Item(NamedTuple):
    """An image with labels.

    Attributes:
        name: Path without suffix, relative to the source, with "/"; every item of a source has another.
        image: File of the image, or its content where that is embedded.
        read_keys: Returns `int32[H, W]` for the (height, width) of the image that was labeled: upright, or as
            it is stored.
        where: File of its labels, for messages.
        split: Name of the split that the source puts it in; None if it has no splits.
    """

    name: str
    image: Path | bytes
    read_keys: Callable[[tuple[int, int]], Keys]
    where: Path
    split: str | None = None


class Source(NamedTuple):
    """Images and classes that a reader has found.

    Attributes:
        form: Name of the form, as `--format` takes it.
        items: Images with labels, sorted by name.
        classes: The classes that the source declares, by key; `VOID_KEY` is not among them.
        name_of: Returns the class of a key that occurs in pixels but is not declared; None if all are.
        void_keys: Keys that mean void if other classes than these and the background occur.
        notes: Sentences about what was left out, for people.
        implies_background: Whether the background is a class only because the form draws shapes; the source
            itself has none of this name.
        blanks: What counts shapes without a pixel while the items are read; one for each reader.
    """

    form: str
    items: list[Item]
    classes: Mapping[int, SourceClass]
    name_of: Callable[[int], SourceClass] | None = None
    void_keys: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()
    implies_background: bool = False
    blanks: tuple[BlankShapes, ...] = ()


def color_key(color: Color) -> int:
    """Returns the key of a color.

    Example:
        >>> hex(color_key((255, 128, 0)))
        '0x1ff8000'
    """
    red, green, blue = color
    return _COLOR | red << 16 | green << 8 | blue


def color_keys(pixels: npt.NDArray[np.uint8]) -> Keys:
    """Returns the keys of the colors of `uint8[H, W, 3]` RGB."""
    wide = pixels.astype(np.int32)
    return _COLOR | wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def key_color(key: int) -> Color | None:
    """Returns the color of a key; None if it is not that of a color.

    Example:
        >>> key_color(0x1FF8000), key_color(7)
        ((255, 128, 0), None)
    """
    return (key >> 16 & 255, key >> 8 & 255, key & 255) if key & _COLOR else None


def class_of_key(key: int) -> SourceClass:
    """Returns a class named by its color or value.

    Example:
        >>> class_of_key(0x1FF8000).name, class_of_key(7).name
        ('#ff8000', 'id 7')
    """
    color = key_color(key)
    return (
        SourceClass(f"id {key}")
        if color is None
        else SourceClass("#{:02x}{:02x}{:02x}".format(*color), color)
    )
