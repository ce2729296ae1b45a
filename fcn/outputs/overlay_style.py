"""How overlays are drawn: the colors of classes, and how much of the image they cover."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from fcn.classes import Classes, Color
from fcn.data.class_list import read_listed_classes
from fcn.errors import DataError
from fcn.outputs.bright_palette import bright_palette

PALETTES = ("bright", "voc")
"""Colors by name: those that stand out on photographs, and those of label PNGs."""

BACKGROUND = "background"
"""A class 0 of this name is not tinted."""

_UNTINTED: Color = (0, 0, 0)


class OverlayStyle(NamedTuple):
    """How overlays are drawn.

    Attributes:
        palette: "bright"; "voc" for the colors of the classes, which label PNGs have too: VOC's, or those of
            the data set; or the path of the list that `listed` was read from.
        opacity: How much of the color of a pixel is that of its class, 0 to 1.
        listed: Names of classes and their colors; None for a palette with a name. Classes that are not among
            them have their color of "bright".

    Example:
        >>> OverlayStyle().recolor(Classes.named(("background", "cat"))).palette
        ((0, 0, 0), (233, 27, 61))
    """

    palette: str = "bright"
    opacity: float = 0.6
    listed: tuple[tuple[str, Color], ...] | None = None

    def recolor(self, classes: Classes) -> Classes:
        """Returns classes in the colors in which overlays show them.

        Raises:
            DataError: If a class is missing in the list, which names another one: a name may be misspelled.
        """
        if self.palette == "voc" and self.listed is None:
            return classes
        skipped = int(classes.names[:1] == (BACKGROUND,))
        colors = bright_palette(max(1, len(classes.names) - skipped)).tolist()
        palette = [_UNTINTED] * skipped + [(red, green, blue) for red, green, blue in colors]
        bright = Classes(classes.names, tuple(palette[: len(classes.names)]))
        return bright if self.listed is None else self._recolor_as_listed(bright, dict(self.listed))

    def _recolor_as_listed(self, bright: Classes, listed: dict[str, Color]) -> Classes:
        missing = [name for name in bright.names if name not in listed and name != BACKGROUND]
        unknown = [name for name in listed if name not in bright.names and name != BACKGROUND]
        if missing and unknown:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise DataError(
                f"{self.palette}: has no color for {', '.join(missing[:5])}{more}, and the model has no "
                f"class {unknown[0]}. Correct the name, or remove its line: classes that are not listed keep "
                "their bright color."
            )
        colors = zip(bright.names, bright.palette, strict=True)
        return Classes(bright.names, tuple(listed.get(name, color) for name, color in colors))

    def with_opacity(self, opacity: float) -> OverlayStyle:
        """Returns the style with another opacity.

        Raises:
            ValueError: If it is not between 0 and 1.
        """
        if not 0 <= opacity <= 1:
            raise ValueError(f"Expected an opacity from 0 to 1. Received: {opacity:g}.")
        return self._replace(opacity=opacity)

    def describe(self) -> str:
        """Returns the style in words, as messages show it."""
        return f"palette {self.palette}, opacity {self.opacity:g}"

    def looks_like(self, other: OverlayStyle) -> bool:
        """Returns whether overlays of both are the same, whatever the name of a list."""
        return (self.listed or self.palette, self.opacity) == (other.listed or other.palette, other.opacity)

    def to_json(self) -> str:
        """Returns the style as text that `read_style_json` reads."""
        return json.dumps(self)


DEFAULT_STYLE = OverlayStyle()
"""The style of overlays if none is chosen."""

EARLIER_STYLE = OverlayStyle("voc", 0.5)
"""The style of jobs that versions without a choice of it started."""


def make_style(palette: str | None = None, opacity: float | None = None) -> OverlayStyle:
    """Returns the style that someone has chosen.

    Args:
        palette: One of `PALETTES`, or the path of a list of classes with colors in any form that
            `read_listed_classes` reads; None for the default.
        opacity: 0 to 1; None for the default.

    Raises:
        DataError: If the list cannot be read, or has a class without a color.
        ValueError: If the opacity is not between 0 and 1.
    """
    style = DEFAULT_STYLE.with_opacity(DEFAULT_STYLE.opacity if opacity is None else opacity)
    if palette is None or palette in PALETTES:
        return style._replace(palette=palette or style.palette)
    listed = []
    for one in read_listed_classes(Path(palette)):
        if one.color is None:
            raise DataError(
                f"{palette}: has no color for {one.name} (line {one.line}). Write name, red, green and blue "
                f'in each line, such as "{one.name}:255,128,0"; or choose --palette bright.'
            )
        listed.append((one.name, one.color))
    return style._replace(palette=palette, listed=tuple(listed))


def read_style_json(text: str) -> OverlayStyle:
    """Returns the style that `OverlayStyle.to_json` wrote.

    Raises:
        ValueError: If it is another text.
    """
    try:
        palette, opacity, listed = json.loads(text)
        if listed is None:
            return make_style(PALETTES[PALETTES.index(palette)], float(opacity))
        colors = tuple((str(name), _color(*color)) for name, color in listed)
        return OverlayStyle(str(palette), listed=colors).with_opacity(float(opacity))
    except TypeError as error:
        raise ValueError(str(error)) from error


def _color(red: int, green: int, blue: int) -> Color:
    red, green, blue = bytes([red, green, blue])
    return red, green, blue
