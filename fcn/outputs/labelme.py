"""Writes labels as labelme's JSON: one document for each image.

labelme draws the shapes of a file one over the other, polygons with Pillow and with their outlines. Shapes
are sorted by area, large ones first, so a polygon need not leave out the holes of its region: what is in them
is drawn later. A region that no polygon gives, such as a single pixel, is a shape of the kind "mask". Each
document is drawn once, and compared with the label, before it is written.

Source: files that labelme 5 has written.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from fcn.classes import BACKGROUND_NAMES, VOID, Classes
from fcn.data.class_table import IGNORE, LABELME_BACKGROUND
from fcn.data.image_io import Pixels
from fcn.outputs.regions import Mask, Region, box_of_class, find_regions, present_ids

VERSION = "5.5.0"
"""The version of labelme that the documents name."""

_MAX_SHAPES = 10_000
_FEWEST_POINTS = 3


def labelme_shapes(label: Pixels, names: Mapping[int, str]) -> list[dict[str, Any]]:
    """Returns shapes that labelme draws as exactly the pixels of a label.

    An image of more than 10,000 regions gets one mask for each class.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.
        names: Labels of the class ids to draw, without void, which is always drawn.

    Example:
        >>> label = np.zeros((9, 9), np.uint8)
        >>> label[2:5, 3:7] = 1
        >>> labelme_shapes(label, {1: "cat"})[0]["points"]
        [[3.0, 2.0], [3.0, 4.0], [6.0, 4.0], [6.0, 2.0]]
    """
    drawn = {**names, VOID: IGNORE}
    others = [class_id for class_id in present_ids(label) if class_id not in drawn]
    shapes: list[tuple[int, int, dict[str, Any]]] = []
    covered = np.zeros(label.shape, bool)
    for region in find_regions(label, drawn, 4):
        height, width = region.mask.shape
        covered[region.top : region.top + height, region.left : region.left + width] |= region.filled
        shapes.append((_area(region), region.class_id, _shape(region, drawn[region.class_id])))
        if len(shapes) > _MAX_SHAPES:
            return _masks(label, drawn)
    if others:
        # A region of the background in a hole must be drawn over the shape around it.
        hidden = np.where(covered & np.isin(label, others), np.uint8(1), np.uint8(0))
        for region in find_regions(hidden, [1], 4):
            shapes.append((_area(region), others[0], _shape(region, LABELME_BACKGROUND)))
    if len(shapes) > _MAX_SHAPES:
        return _masks(label, drawn)
    shapes.sort(key=lambda shape: -shape[0])
    canvas = Image.new("L", label.shape[::-1], others[0] if others else 0)
    for _, class_id, shape in shapes:
        _draw(canvas, shape, class_id)
    expected = np.where(np.isin(label, others), np.uint8(others[0]), label) if others else label
    if not np.array_equal(np.asarray(canvas), expected):
        return _masks(label, drawn)
    return [shape for _, _, shape in shapes]


def labelme_names(classes: Classes, class_ids: Iterable[int]) -> dict[int, str]:
    """Returns the labels of the class ids to draw.

    Example:
        >>> labelme_names(Classes.named(("background", "cat")), [0, 1])
        {0: '_background_', 1: 'cat'}
    """
    names = {class_id: classes.names[class_id] for class_id in class_ids}
    return {
        class_id: LABELME_BACKGROUND if name.lower() in BACKGROUND_NAMES else name
        for class_id, name in names.items()
    }


def labelme_list(names: Mapping[int, str]) -> str:
    r"""Returns the content of the file for `labelme --labels`.

    Args:
        names: Labels of the class ids to draw.

    Example:
        >>> labelme_list({1: "cat"})
        '__ignore__\n_background_\ncat\n'
    """
    # Without the background in the list, an import does not put it in front of the classes.
    background = [] if 0 in names else [LABELME_BACKGROUND]
    listed = dict.fromkeys([IGNORE, *background, *names.values()])
    return "".join(f"{name}\n" for name in listed)


def labelme_document(
    shapes: Sequence[Mapping[str, Any]], image_name: str, size: tuple[int, int]
) -> dict[str, Any]:
    """Returns the document for an image.

    Args:
        shapes: Its shapes, of `labelme_shapes`.
        image_name: Name of the image file, relative to the document.
        size: (height, width) of the image.
    """
    return {
        "version": VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": image_name,
        "imageData": None,
        "imageHeight": size[0],
        "imageWidth": size[1],
    }


def _area(region: Region) -> int:
    return int(np.count_nonzero(region.filled))


def _shape(region: Region, name: str) -> dict[str, Any]:
    """Returns a polygon if it is drawn as the region with its holes, or else a mask."""
    if len(region.outline) >= _FEWEST_POINTS:
        drawn = Image.new("1", region.mask.shape[::-1])
        outline = [(x, y) for x, y in region.outline.tolist()]
        ImageDraw.Draw(drawn).polygon(outline, outline=1, fill=1)
        if np.array_equal(np.asarray(drawn), region.filled):
            return _document(name, "polygon", region.points(), None)
    return _mask(region, name)


def _mask(region: Region, name: str) -> dict[str, Any]:
    height, width = region.mask.shape
    corners = [(region.left, region.top), (region.left + width - 1, region.top + height - 1)]
    return _document(name, "mask", corners, _encode(region.mask))


def _masks(label: Pixels, names: Mapping[int, str]) -> list[dict[str, Any]]:
    present = present_ids(label)
    return [
        _mask(box_of_class(label, class_id), names[class_id]) for class_id in present if class_id in names
    ]


def _document(name: str, kind: str, points: Sequence[tuple[int, int]], mask: str | None) -> dict[str, Any]:
    return {
        "label": name,
        "points": [[float(x), float(y)] for x, y in points],
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "mask": mask,
    }


def _encode(mask: Mask) -> str:
    buffer = BytesIO()
    Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(buffer, "PNG")
    return b64encode(buffer.getvalue()).decode("ascii")


def _draw(canvas: Image.Image, shape: Mapping[str, Any], value: int) -> None:
    """Draws a shape as labelme does."""
    points = [(int(x), int(y)) for x, y in shape["points"]]
    if shape["shape_type"] == "polygon":
        ImageDraw.Draw(canvas).polygon(points, outline=value, fill=value)
    else:
        canvas.paste(value, points[0], _decode(shape["mask"]))


def _decode(text: str) -> Image.Image:
    return Image.open(BytesIO(b64decode(text)))
