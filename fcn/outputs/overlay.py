"""Draws pictures of labels for people."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fcn.classes import VOID, Classes, count_ids
from fcn.data.image_io import Pixels, recolor
from fcn.outputs.overlay_style import BACKGROUND, DEFAULT_STYLE, OverlayStyle
from fcn.pages.percent import percent

# A JPEG has at most 65,535 pixels a side (ITU-T T.81, B.2.2), and the legend needs some of them.
_MAX_SIDE = 32_000
_TINTED_PIXELS = 2**22

# A contour is a light line, and where it borders on background a dark one beside it, so that one of them is
# seen on any image: how much white is in the first, and what is left of the image in the second.
_LIGHT, _SHADE = 0.6, 0.45

# Contours are crowded where they cover more than this share of a square that reaches so many of their widths
# in each direction. A straight one covers 0.06 of it, and stripes of eight widths 0.25.
_CROWD = 16
_MOST_CONTOUR = 0.25

# The legend: light text on a strip that is dark, but lighter than the colors of many classes.
_STRIP = (38, 38, 42)
_FRAME = (150, 150, 155)
_NAME = (242, 242, 242)
_SHARE = (176, 176, 182)

# Letters as tall as in the caption of a printed picture, at any resolution. Below 10 pixels they cannot be
# read; above 96 they only take space.
_TEXT_SHARE = 0.028
_MIN_TEXT, _MAX_TEXT = 10, 96


class LegendEntry(NamedTuple):
    """A line of a legend.

    Attributes:
        name: Name of a class.
        share: Text after the name, such as "12.5%"; may be empty.
        color: RGB, 0 to 255; None for an empty swatch.
    """

    name: str
    share: str
    color: tuple[int, int, int] | None


def jpeg_overlay(
    image: Pixels, label: Pixels, classes: Classes, style: OverlayStyle = DEFAULT_STYLE
) -> Pixels:
    """Returns the picture of `overlay_image`, which takes the same arguments, small enough for a JPEG."""
    scale = _MAX_SIDE / max(label.shape)
    if scale < 1:
        size = max(1, round(label.shape[1] * scale)), max(1, round(label.shape[0] * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        label = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)
    return overlay_image(image, label, classes, style)


def overlay_image(
    image: Pixels, label: Pixels, classes: Classes, style: OverlayStyle = DEFAULT_STYLE
) -> Pixels:
    """Returns the image tinted in the colors of its classes, with a legend below.

    Each region has a light contour, with a dark one beside it on background, but where regions are so small
    that contours would cover them. A class 0 named "background" is not tinted and has an empty swatch in the
    legend. The legend lists the classes that occur, the largest first, with their share of the area.

    Args:
        image: `uint8[H, W, 3]`, RGB.
        label: `uint8[H, W]`, class ids, 255 = void.
        classes: The names of the ids, and their colors in labels.
        style: The colors and how much they cover.

    Raises:
        DataError: If the list of the style does not fit the classes.

    Returns:
        `uint8[H + legend, W, 3]`, RGB.

    Example:
        >>> pixels = np.zeros((60, 90, 3), np.uint8)
        >>> overlay_image(pixels, pixels[..., 0], Classes.named(("sky", "sea"))).shape
        (82, 90, 3)
    """
    shown = style.recolor(classes)
    legend = legend_strip(_legend_entries(label, shown), label.shape)
    height, width = label.shape
    picture = np.empty((height + len(legend), width, 3), np.uint8)
    _tint_into(picture, image, label, shown, style.opacity)
    picture[height:] = legend
    return picture


def legend_of_classes(classes: Classes, size: tuple[int, ...], style: OverlayStyle = DEFAULT_STYLE) -> Pixels:
    """Draws a legend of all classes, without shares: the same below every frame of a video.

    Args:
        classes: Names and colors.
        size: (height, width) of the picture above it.
        style: The colors.

    Returns:
        `uint8[legend, width, 3]`, RGB.
    """
    return legend_strip(
        [
            LegendEntry(name, "", None if index == 0 and name == BACKGROUND else color)
            for index, (name, color) in enumerate(zip(*style.recolor(classes), strict=True))
        ],
        size,
    )


def tint(image: Pixels, label: Pixels, classes: Classes, style: OverlayStyle = DEFAULT_STYLE) -> Pixels:
    """Returns the image tinted in the colors of its classes, with contours; see `overlay_image`."""
    picture = np.empty_like(image)
    _tint_into(picture, image, label, style.recolor(classes), style.opacity)
    return picture


def _tint_into(picture: Pixels, image: Pixels, label: Pixels, classes: Classes, opacity: float) -> None:
    """Fills the upper part of a picture, some rows at a time, so that a large one needs no further memory."""
    height, width = label.shape
    thickness = max(1, round(min(label.shape) / 350))
    reach = thickness * (_CROWD + 1)
    colors, contours = classes.full_palette(), _contour_palette(classes)
    step = max(1, _TINTED_PIXELS // width)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        first = max(0, top - reach)
        border = _contours(label[first : bottom + reach], thickness)[top - first :][: bottom - top]
        rows, ids = image[top:bottom], label[top:bottom]
        tinted = cv2.addWeighted(rows, 1 - opacity, recolor(ids, colors), opacity, 0)
        tinted = cv2.copyTo(recolor(ids, contours), border, tinted)
        if classes.names[0] == BACKGROUND:
            background = (ids == 0).astype(np.uint8)
            tinted = cv2.copyTo(rows, background, tinted)
            tinted = cv2.copyTo(cv2.convertScaleAbs(rows, alpha=_SHADE), border & background, tinted)
        picture[top:bottom] = tinted


def _contours(label: Pixels, thickness: int) -> Pixels:
    """Returns the pixels of contours, `uint8[H, W]`, 0 or 1: those with other ids around them.

    Void often is a border itself and has none. Crowded contours would hide what they surround.
    """
    window = np.ones((2 * thickness + 1, 2 * thickness + 1), np.uint8)
    border = cv2.morphologyEx(label, cv2.MORPH_GRADIENT, window)
    border[label == VOID] = 0
    cv2.threshold(border, 0, 255, cv2.THRESH_BINARY, border)
    side = 2 * thickness * _CROWD + 1
    share = cv2.blur(border, (side, side), borderType=cv2.BORDER_REFLECT)
    return ((border > 0) & (share <= 255 * _MOST_CONTOUR)).astype(np.uint8)


def _contour_palette(classes: Classes) -> Pixels:
    """Returns `uint8[256, 3]` RGB: the colors, made light."""
    palette = classes.full_palette().astype(np.float32)
    return np.round(palette + _LIGHT * (255 - palette)).astype(np.uint8)


def _legend_entries(label: Pixels, classes: Classes) -> list[LegendEntry]:
    pixels = count_ids(label)
    palette = classes.full_palette().tolist()
    entries = []
    for value in sorted(np.flatnonzero(pixels).tolist(), key=lambda value: -pixels[value]):
        name = classes.names[value] if value < len(classes.names) else "void" if value == VOID else str(value)
        share = pixels[value] / label.size
        red, green, blue = palette[value]
        untinted = value == 0 and name == BACKGROUND
        entries.append(
            LegendEntry(
                name,
                percent(share, digits=1),
                None if untinted else (red, green, blue),
            )
        )
    return entries


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def legend_strip(entries: Sequence[LegendEntry], size: tuple[int, ...]) -> Pixels:
    """Draws a legend to put below a picture.

    Args:
        entries: The entries, at least one.
        size: (height, width) of the picture, which determines the size of the letters.

    Returns:
        `uint8[legend, width, 3]`, RGB.
    """
    height, width = size
    text_size = min(_TEXT_SHARE * (height * width) ** 0.5, width / 16)
    unit = round(min(max(text_size, _MIN_TEXT), _MAX_TEXT))
    font = _font(unit)
    swatch, margin, gap = unit, round(0.6 * unit), round(0.45 * unit)

    def text_width(text: str) -> int:
        return int(np.ceil(font.getlength(text)))

    def shorten(text: str, room: int) -> str:
        if text_width(text) <= room:
            return text
        lengths = range(1, len(text) + 1)
        fitting = bisect_right(lengths, room, key=lambda length: text_width(f"{text[:length]}…"))
        return f"{text[:fitting]}…" if fitting else ""

    room = width - 2 * margin
    widest = max(swatch + text_width(entry.name) + text_width(entry.share) + 2 * gap for entry in entries)
    columns = max(1, min(len(entries), (room + 2 * unit) // (widest + 2 * unit)))
    pitch = (room + 2 * unit) // columns if len(entries) > columns else widest + 2 * unit
    line = round(1.6 * unit)
    rows = -(-len(entries) // columns)
    strip = Image.new("RGB", (width, rows * line + margin // 2 * 2), _STRIP)
    draw = ImageDraw.Draw(strip)
    for index, entry in enumerate(entries):
        left = margin + index % columns * pitch
        middle = margin // 2 + index // columns * line + line // 2
        top = middle - swatch // 2
        draw.rectangle(
            (left, top, left + swatch - 1, top + swatch - 1), entry.color, _FRAME, max(1, unit // 16)
        )
        left += swatch + gap
        share_width = text_width(entry.share)
        name = shorten(entry.name, width - margin - left - gap - share_width)
        draw.text((left, middle), name, _NAME, font, anchor="lm")
        left += text_width(name) + gap if name else 0
        if left + share_width <= width:
            draw.text((left, middle), entry.share, _SHARE, font, anchor="lm")
    return np.array(strip)
