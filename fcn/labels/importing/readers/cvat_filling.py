"""Fills the pixels of a shape of CVAT: a polygon, a box, an ellipse or a mask."""

import re
from collections.abc import Mapping

import cv2
import numpy as np

from fcn.errors import DataError
from fcn.labels.importing.filling import MAX_COORDINATE, check_points, check_runs, fill_as_opencv
from fcn.labels.importing.readers.cvat_document import CvatShape
from fcn.labels.importing.source import Keys

_WHOLE = re.compile(r"-?\d{1,9}")
_RUNS = re.compile(r"[\d,\s]*")
_MAX_TURN = 1e6
_SHOWN = 80


def fill_shape(keys: Keys, where: str, shape: CvatShape, key: int) -> bool:
    """Fills a shape in place; returns whether it has a pixel.

    Args:
        keys: Keys of classes, `int32[H, W]`, which are changed.
        where: Where the shape is, for messages.
        shape: The shape.
        key: The key of its class.

    Raises:
        DataError: If a number is missing.
        ValueError: If it is damaged in another way.
    """
    match shape.kind:
        case "polygon":
            return _fill_polygon(keys, shape.attributes.get("points", ""), key)
        case "box":
            return _fill_box(keys, where, shape.attributes, key)
        case "ellipse":
            return _fill_ellipse(keys, where, shape.attributes, key)
        case _:
            return _fill_mask(keys, where, shape.attributes, key)


def _fill_polygon(keys: Keys, text: str, key: int) -> bool:
    pairs = [pair.split(",") for pair in text.split(";")]
    if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
        raise ValueError("its points are not three or more pairs of numbers")
    points = check_points(pairs)
    return fill_as_opencv(keys, [points.tolist()], key)


def _fill_box(keys: Keys, where: str, attributes: Mapping[str, str], key: int) -> bool:
    left, top, right, bottom = (_number(where, attributes, name) for name in ("xtl", "ytl", "xbr", "ybr"))
    turn = np.deg2rad(_number(where, attributes, "rotation", 0.0, _MAX_TURN))
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    if turn:
        center = corners.mean(axis=0)
        matrix = np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))])
        corners = (corners - center) @ matrix + center
    return fill_as_opencv(keys, [corners.tolist()], key)


def _fill_ellipse(keys: Keys, where: str, attributes: Mapping[str, str], key: int) -> bool:
    x, y = (round(_number(where, attributes, name)) for name in ("cx", "cy"))
    axes = tuple(round(_number(where, attributes, name)) for name in ("rx", "ry"))
    if min(axes) < 0:
        raise ValueError("its radius is negative")
    turn = _number(where, attributes, "rotation", 0.0, _MAX_TURN)
    inside = np.zeros(keys.shape, np.uint8)
    cv2.ellipse(inside, (x, y), axes, turn, 0, 360, [1], thickness=-1)
    keys[inside == 1] = key
    return bool(inside.any())


def _fill_mask(keys: Keys, where: str, attributes: Mapping[str, str], key: int) -> bool:
    left, top, width, height = (
        read_whole(where, attributes, name) for name in ("left", "top", "width", "height")
    )
    if (
        min(left, top) < 0
        or min(width, height) < 1
        or left + width > keys.shape[1]
        or top + height > len(keys)
    ):
        raise ValueError("its place is not within the image")
    text = attributes.get("rle", "")
    if not _RUNS.fullmatch(text):
        raise ValueError("its run lengths are not numbers")
    try:
        values = [int(number) for number in text.split(",")]
    except ValueError as error:
        raise ValueError("its run lengths are not numbers") from error
    runs = check_runs(values, width * height)
    inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    keys[top : top + height, left : left + width][inside] = key
    return bool(inside.any())


def _number(
    where: str,
    attributes: Mapping[str, str],
    name: str,
    default: float | None = None,
    most: float = MAX_COORDINATE,
) -> float:
    text = attributes.get(name)
    if text is None and default is not None:
        return default
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not abs(value) <= most:
        raise DataError(f"{where}: expected a number for {name}. Received: {(text or '')[:_SHOWN]!r}.")
    return value


def read_whole(where: str, attributes: Mapping[str, str], name: str, default: int | None = None) -> int:
    """Returns a whole number among the attributes of an element.

    Args:
        where: Where the element is, for messages.
        attributes: The attributes.
        name: Name of the attribute.
        default: The number if there is no such attribute; None if there has to be one.

    Raises:
        DataError: If it is missing or not a whole number.
    """
    text = attributes.get(name)
    if text is None and default is not None:
        return default
    if text is None or not _WHOLE.fullmatch(text):
        raise DataError(f"{where}: expected a whole number for {name}. Received: {(text or '')[:_SHOWN]!r}.")
    return int(text)
