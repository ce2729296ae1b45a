"""Fills shapes with a key, each as its own tool does, to the pixel."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from fcn.labels.importing.source import BACKGROUND_KEY, Keys

Point = tuple[float, float]

MAX_COORDINATE = 1 << 20
"""Farthest point of a shape from the upper left corner, in pixels: the longest side of an image."""

_FEW_STEPS, _MOST_STEPS = 10_000, 20_000_000
"""Pixels along an outline of COCO: pycocotools takes 40 bytes for each."""
_LINE_WIDTH, _POINT_RADIUS = 10, 5
"""Of lines and points in labelme, in pixels."""


class LabelmeShape(NamedTuple):
    """A shape of labelme.

    Attributes:
        kind: "polygon", "rectangle", "oriented_rectangle" (its four corners), "circle", "line", "linestrip",
            "point", "points" or "mask".
        points: (x, y), in pixels.
        key: What its pixels become.
        mask: `bool[H, W]` of a "mask"; its upper left corner is at the first point.
    """

    kind: str
    points: Sequence[Point]
    key: int
    mask: npt.NDArray[np.bool_] | None = None


def fill_as_labelme(size: tuple[int, int], shapes: Iterable[LabelmeShape]) -> Keys:
    """Draws shapes as labelme's converters do, with Pillow; later ones cover earlier ones.

    Args:
        size: (height, width).
        shapes: The shapes in the order of the file.

    Returns:
        `int32[H, W]`.
    """
    height, width = size
    canvas = Image.new("I", (width, height), BACKGROUND_KEY)
    draw = ImageDraw.Draw(canvas)
    for shape in shapes:
        key, points = shape.key, [(x, y) for x, y in shape.points]
        match shape.kind:
            case "circle":
                (x, y), (edge_x, edge_y) = points
                radius = math.hypot(x - edge_x, y - edge_y)
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=key, fill=key)
            case "rectangle":
                (left, right), (top, bottom) = (sorted(values) for values in zip(*points, strict=True))
                draw.rectangle((left, top, right, bottom), outline=key, fill=key)
            case "line" | "linestrip":
                draw.line(points, fill=key, width=_LINE_WIDTH)
            case "point" | "points":
                for x, y in points:
                    r = _POINT_RADIUS
                    draw.ellipse((x - r, y - r, x + r, y + r), outline=key, fill=key)
            case "mask":
                assert shape.mask is not None
                corner = int(points[0][0]), int(points[0][1])
                canvas.paste(key, corner, Image.fromarray(shape.mask.astype(np.uint8) * 255))
            case _:
                draw.polygon(points, outline=key, fill=key)
    return np.array(canvas, np.int32)


def is_outside(shape: LabelmeShape, size: tuple[int, int]) -> bool:
    """Returns whether a shape has no pixel in an image of (height, width), or surely lies outside of it.

    Example:
        >>> is_outside(LabelmeShape("polygon", [(9, 9), (12, 9), (9, 12)], 1), (8, 8))
        True
    """
    if shape.mask is not None:
        left, top = (int(value) for value in shape.points[0])
        rows, columns = (
            slice(max(-top, 0), max(size[0] - top, 0)),
            slice(max(-left, 0), max(size[1] - left, 0)),
        )
        return not shape.mask[rows, columns].any()
    points = np.array(shape.points, np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    if shape.kind == "circle":
        radius = math.dist(*shape.points)
        low, high = points[0] - radius, points[0] + radius
    # Points are rounded, and lines and points are wider than they are given.
    wide = {"line": _LINE_WIDTH, "linestrip": _LINE_WIDTH, "point": _POINT_RADIUS, "points": _POINT_RADIUS}
    margin = 1 + wide.get(shape.kind, 0)
    return bool((high + margin < 0).any() or (low - margin >= size[::-1]).any())


def fill_as_opencv(keys: Keys, polygons: Sequence[Sequence[Point]], key: int) -> bool:
    """Fills polygons in place as CVAT and YOLO's tools do, with OpenCV's `fillPoly`.

    Args:
        keys: `int32[H, W]`.
        polygons: (x, y), in pixels; they are rounded.
        key: What the pixels become.

    Returns:
        Whether they have a pixel.
    """
    rounded = [np.rint(np.asarray(polygon, np.float64)).astype(np.int32) for polygon in polygons]
    corners = np.concatenate(rounded)
    if (corners >= 0).all() and (corners < keys.shape[::-1]).all():
        cv2.fillPoly(keys, rounded, [key])
        return True
    inside = np.zeros(keys.shape, np.uint8)
    cv2.fillPoly(inside, rounded, [1])
    keys[inside == 1] = key
    return bool(inside.any())


def fill_as_coco(keys: Keys, segmentation: object, key: int) -> bool:
    """Fills a segmentation of COCO in place, equal to pycocotools.

    Args:
        keys: `int32[H, W]`.
        segmentation: Polygons `[[x, y, ...], ...]`, or run lengths, compressed or not.
        key: What the pixels become.

    Returns:
        Whether it has a pixel.

    Raises:
        ValueError: If it is none of these, or does not fit the image.
    """
    height, width = keys.shape
    if isinstance(segmentation, list):
        has_pixel = False
        for polygon in segmentation:
            points = check_points(polygon)
            if len(points) < 3:  # pycocotools takes four numbers for a box
                continue
            steps = np.abs(np.diff(points, axis=0, append=points[:1])).max(axis=1).sum()
            if steps > min(_FEW_STEPS + 4 * keys.size, _MOST_STEPS):
                raise ValueError("its outline is too long for the image")
            (encoded,) = coco_mask.frPyObjects([points.reshape(-1).tolist()], height, width)
            runs = np.asarray(read_runs(encoded["counts"].decode()), np.int64)
            has_pixel = _fill_runs(keys, runs, key) or has_pixel
        return has_pixel
    if not isinstance(segmentation, dict) or segmentation.get("size") != [height, width]:
        raise ValueError("its segmentation is neither polygons nor run lengths of the size of its image")
    counts = segmentation.get("counts")
    return _fill_runs(
        keys, check_runs(read_runs(counts) if isinstance(counts, str) else counts, keys.size), key
    )


def check_runs(values: object, pixels: int) -> npt.NDArray[np.int64]:
    """Returns run lengths `int64[N]` that add up to a number of pixels.

    Raises:
        ValueError: If they do not, or are not whole numbers.
    """
    try:
        runs = np.asarray(values)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("its run lengths are not numbers") from error
    if runs.ndim != 1 or runs.dtype.kind not in "iu":
        raise ValueError("its run lengths are not whole numbers")
    # Each by itself first: a sum of large ones could wrap, and numpy's repeat would write out of bounds.
    if (runs < 0).any() or (runs > pixels).any() or runs.sum(dtype=np.int64) != pixels:
        raise ValueError(f"its run lengths do not add up to {pixels:,} pixels")
    return runs.astype(np.int64)


def _fill_runs(keys: Keys, runs: npt.NDArray[np.int64], key: int) -> bool:
    """Fills every second run of an image, counted down the columns; returns whether they have a pixel.

    Only columns with such runs are touched.
    """
    height = len(keys)
    runs = runs[: len(runs) // 2 * 2]
    if not runs[1::2].any():
        return False
    first, last = int(runs[0]) // height, (int(runs.sum()) - 1) // height
    inside = np.zeros((last - first + 1) * height, np.bool_)
    filled = np.repeat(np.arange(1, len(runs)) % 2 == 1, runs[1:])
    start = int(runs[0]) - first * height
    inside[start : start + len(filled)] = filled
    keys[:, first : last + 1][inside.reshape(-1, height).T] = key
    return True


def read_runs(text: str) -> list[int]:
    """Returns the run lengths that COCO writes as text: 5 bits a character, from the third on as differences.

    pycocotools' own reader writes past the end of the image if they are too long.

    Raises:
        ValueError: If the text ends within a number, or has other characters.

    Example:
        >>> encoded = coco_mask.encode(np.asfortranarray(np.array([[0, 1], [1, 1]], np.uint8)))
        >>> read_runs(encoded["counts"].decode())
        [1, 3]
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError("its run lengths are damaged")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("its run lengths are damaged")
    return runs


def check_points(values: object) -> npt.NDArray[np.float64]:
    """Returns points `float64[N, 2]` that can be drawn, from pairs or from a flat list.

    Raises:
        ValueError: If they are not numbers, or too far from any image.
    """
    try:
        points = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError("its points are not numbers") from error
    if points.size % 2 or points.ndim not in (1, 2) or (points.ndim == 2 and points.shape[1] != 2):
        raise ValueError("its points are not pairs of numbers")
    if not (np.abs(points) <= MAX_COORDINATE).all():  # NaN is not either
        raise ValueError(f"its points are not within {MAX_COORDINATE:,} pixels")
    return points.reshape(-1, 2)
