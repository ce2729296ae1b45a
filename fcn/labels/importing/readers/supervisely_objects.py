"""Draws the objects of Supervisely as its own library does, to the pixel.

Coordinates are rounded down. The exterior of a polygon is filled with OpenCV's `fillPoly`, and then its
interiors are cut out. Corners of a rectangle are inside of it. A bitmap is a PNG; the pixels that can be seen
count. Source: the geometry of github.com/supervisely/supervisely.
"""

import base64
import binascii
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fcn.data.image_header import PILLOW_ERRORS, open_header, stored_size
from fcn.errors import DataError
from fcn.labels.importing.filling import check_points
from fcn.labels.importing.source import Keys

# A PNG of the size of its image, uncompressed.
_BYTES_PER_PIXEL, _MORE_BYTES = 8, 1 << 20

Points = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


def geometry_of(one: Mapping[str, Any]) -> str:
    """Returns the geometry of an object; older projects do not name it."""
    kind = one.get("geometryType")
    if kind is None:
        return "bitmap" if one.get("bitmap") else "polygon"
    return kind if isinstance(kind, str) else ""


def draw_object(drawn: Keys, one: Mapping[str, Any], key: int) -> bool:
    """Draws an object in place; returns whether it has a pixel.

    Raises:
        ValueError: If its geometry is damaged.
    """
    match geometry_of(one):
        case "polygon":
            points = _mapping(one, "points")
            interiors = points.get("interior") or []
            if not isinstance(interiors, list):
                raise ValueError("its interiors are not a list")
            return fill_as_supervisely(
                drawn, _floor(points.get("exterior")), [_floor(interior) for interior in interiors], key
            )
        case "rectangle":
            corners = _floor(_mapping(one, "points").get("exterior"))
            if len(corners) != 2:
                raise ValueError("it has not two corners")
            (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
            part = drawn[max(top, 0) : max(bottom + 1, 0), max(left, 0) : max(right + 1, 0)]
            part[:] = key
            return part.size > 0
        case "bitmap" | "alpha_mask":
            bitmap = _mapping(one, "bitmap")
            origin = _floor([bitmap.get("origin")])
            if len(origin) != 1:
                raise ValueError("its origin is not a point")
            left, top = origin[0].tolist()
            return _paste(drawn, read_bitmap(bitmap.get("data"), drawn.shape), top, left, key)
        case _:
            return False


def fill_as_supervisely(
    keys: Keys, exterior: npt.NDArray[np.int32], interiors: Sequence[npt.NDArray[np.int32]], key: int
) -> bool:
    """Fills a polygon with holes in place; returns whether it has a pixel.

    Args:
        keys: `int32[H, W]`.
        exterior: Corners `int32[N, 2]`, (x, y).
        interiors: Corners of its holes.
        key: What the pixels become.

    Raises:
        ValueError: If it has fewer than three corners.
    """
    if len(exterior) < 3 or any(len(interior) < 3 for interior in interiors):
        raise ValueError("it has fewer than three corners")
    limit = np.array(keys.shape[::-1], np.int32) - 1
    # Outside of this box nothing changes. Where lines leave it, it ends at a border of the image, so that
    # OpenCV cuts them as it would in the whole image.
    corners = np.concatenate([exterior, *interiors])
    low, high = np.maximum(corners.min(axis=0), 0), np.minimum(corners.max(axis=0), limit)
    if (low > high).any():
        return False
    inside = np.zeros((int(high[1] - low[1]) + 1, int(high[0] - low[0]) + 1), np.uint8)
    cv2.fillPoly(inside, [exterior - low], [1])
    if interiors:
        cv2.fillPoly(inside, [interior - low for interior in interiors], [0])
    keys[low[1] : high[1] + 1, low[0] : high[0] + 1][inside == 1] = key
    return bool((inside == 1).any())


def read_bitmap(text: object, size: tuple[int, ...]) -> Mask:
    """Returns the pixels of a bitmap: a PNG, compressed once more or not, in base64.

    Args:
        text: The data.
        size: (height, width) of the image; the bitmap is not larger.

    Raises:
        ValueError: If it is damaged, or larger than the image.
    """
    if not isinstance(text, str):
        raise ValueError("it has no bitmap")
    try:
        data = base64.b64decode(text)
        if not data.startswith(b"\x89PNG"):
            unpacker = zlib.decompressobj()
            data = unpacker.decompress(data, _BYTES_PER_PIXEL * math.prod(size) + _MORE_BYTES)
            if not unpacker.eof:
                raise ValueError("its bitmap is truncated, or too large")
        with open_header(data, "its bitmap") as image:
            height, width = stored_size(image)
            if height > size[0] or width > size[1]:
                raise ValueError(f"its bitmap of {height}x{width} is larger than the image")
            if image.mode in ("RGBA", "LA") or "transparency" in image.info:
                return np.asarray(np.array(image.convert("RGBA"))[..., 3] > 0)
            pixels = np.array(image.convert("RGB") if image.mode == "P" else image)
            return np.asarray(pixels.any(axis=-1) if pixels.ndim == 3 else pixels > 0)
    except (DataError, *PILLOW_ERRORS, binascii.Error) as error:
        raise ValueError(f"its bitmap is damaged ({error})") from error


def _paste(keys: Keys, mask: Mask, top: int, left: int, key: int) -> bool:
    """Draws a mask in place; what is beyond the image is cut. Returns whether it has a pixel."""
    rows = slice(max(top, 0), max(min(top + mask.shape[0], keys.shape[0]), 0))
    columns = slice(max(left, 0), max(min(left + mask.shape[1], keys.shape[1]), 0))
    part = mask[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return False
    keys[rows, columns][part] = key
    return bool(part.any())


def _mapping(one: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = one.get(name)
    if not isinstance(found, dict):
        raise ValueError(f"it has no {name}")
    return found


def _floor(values: object) -> npt.NDArray[np.int32]:
    """Returns points as whole pixels, `int32[N, 2]`.

    Raises:
        ValueError: If they are not points.
    """
    if not isinstance(values, list):
        raise ValueError("it has no points")
    return np.floor(check_points(values)).astype(np.int32)
