"""Makes COCO annotations of labels: the regions of each class as polygons, or its pixels as run lengths.

Here ids of categories are class ids; `fcn.outputs.coco_document` has those of documents. Widths, heights and
masks are those of upright images, as in label PNGs. Void is not annotated.

Source: the format described at https://cocodataset.org/#format-data (object detection).
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from fcn.classes import VOID, count_ids
from fcn.data.image_io import Pixels
from fcn.outputs.record import Annotation
from fcn.outputs.simplification import simplify_polygon

# Regions are traced with pixels this wide: a cut between two pixels takes a third of one and leaves two.
_ZOOM = 3
# Larger labels are traced in parts of this many pixels, so that memory stays within some 20 bytes a pixel.
_MAX_TRACED = 2**24
_LEAST_CORNERS = 4
"""Of a region, and of a hole."""
_MOST_TRACED_TIMES = 16
"""Boxes in which regions are traced overlap where one lies in another: so many times the label at most."""


def rle_annotations(label: Pixels) -> list[Annotation]:
    """Returns one annotation for each class that occurs, as compressed run lengths.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.

    Example:
        >>> rle_annotations(np.array([[0, 1], [1, 1]], np.uint8))[1]["bbox"]
        [0, 0, 2, 2]
    """
    annotations = []
    for value in _present_ids(label):
        encoded = coco_mask.encode(np.asfortranarray(label == value).view(np.uint8))
        segmentation = {"size": list(label.shape), "counts": encoded["counts"].decode("ascii")}
        box = [int(number) for number in coco_mask.toBbox(encoded)]
        annotations.append(_make_annotation(value, segmentation, box, int(coco_mask.area(encoded))))
    return annotations


class TooManyCornersError(Exception):
    """A label whose polygons have more corners than are wanted, or whose regions are nested too often."""


class Traced(NamedTuple):
    """Regions as polygons.

    Attributes:
        annotations: An annotation for each region.
        left_out: How many regions are too small to have one.
    """

    annotations: list[Annotation]
    left_out: int


def polygon_annotations(label: Pixels, min_area: int = 1) -> list[Annotation]:
    """Returns one annotation for each connected region of each class, as `trace_regions` does.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.
        min_area: Regions of fewer pixels are left out.

    Example:
        >>> polygon_annotations(np.array([[1, 1]], np.uint8))[0]["segmentation"]
        [[0, 0, 0, 1, 2, 1, 2, 0]]
    """
    return trace_regions(label, min_area).annotations


def trace_regions(
    label: Pixels, min_area: int = 1, most_corners: int | None = None, simplify: bool = False
) -> Traced:
    """Returns the connected regions of each class as polygons along edges of pixels.

    Pixels that touch at a corner are connected. Polygons of COCO have no holes: a region with holes is cut
    above and below each of them into pieces without holes, which share edges and do not overlap. Drawn
    together they are the region again, to the pixel. A label of more than 16 megapixels is cut into
    rectangles first, and regions with it. The area and the box of an annotation are those of its region.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.
        min_area: Regions of fewer pixels are left out.
        most_corners: The most corners of all polygons together; None for any number.
        simplify: Whether polygons have fewer corners, as of `simplify_polygon`.

    Raises:
        TooManyCornersError: If there are more. Most often that is known before they are traced.

    Example:
        >>> trace_regions(np.array([[0, 0, 1]], np.uint8), min_area=2).left_out
        1
    """
    limit = math.inf if most_corners is None else most_corners
    annotations: list[Annotation] = []
    corners = left_out = 0
    for part, top, left in _parts(label, 0, 0):
        left_out += _count_small(part, min_area)
        for annotation in _annotate_part(part, top, left, min_area, limit - corners):
            corners += sum(len(polygon) // 2 for polygon in annotation["segmentation"])
            if corners > limit:
                raise TooManyCornersError
            if simplify:
                annotation["segmentation"] = [
                    simplify_polygon(polygon) for polygon in annotation["segmentation"]
                ]
            annotations.append(annotation)
    return Traced(annotations, left_out)


def _parts(label: Pixels, top: int, left: int) -> Iterator[tuple[Pixels, int, int]]:
    """Yields the rectangles of a label that are traced one by one, and where each begins in the image."""
    if label.size <= _MAX_TRACED:
        yield label, top, left
    elif label.shape[0] >= label.shape[1]:
        half = label.shape[0] // 2
        yield from _parts(label[:half], top, left)
        yield from _parts(label[half:], top + half, left)
    else:
        half = label.shape[1] // 2
        yield from _parts(label[:, :half], top, left)
        yield from _parts(label[:, half:], top, left + half)


def _annotate_part(
    label: Pixels, top: int, left: int, min_area: int, most_corners: float
) -> Iterator[Annotation]:
    """Yields annotations of a part of a label that begins at (top, left) of the whole."""
    if most_corners < math.inf:
        _check_work(label, min_area, most_corners)
    for value in _present_ids(label):
        _, regions, boxes, _ = _connected(label, value)
        for region in _wanted(boxes, min_area):
            x, y, width, height, area = boxes[region].tolist()
            mask = regions[y : y + height, x : x + width] == region
            box = [left + x, top + y, width, height]
            polygons = _trace_polygons(mask, top + y, left + x, most_corners)
            yield _make_annotation(value, polygons, box, area)


def _check_work(label: Pixels, min_area: int, most_corners: float) -> None:
    """Refuses too many regions, and nested ones whose boxes together are far larger than the label.

    Raises:
        TooManyCornersError: If they are.
    """
    corners = traced = 0
    for value in _present_ids(label):
        boxes = _connected(label, value)[2]
        numbers = _wanted(boxes, min_area)
        corners += _LEAST_CORNERS * len(numbers)
        sides = boxes[numbers][:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].astype(np.int64)
        traced += int(sides.prod(axis=1).sum())
        if corners > most_corners or traced > _MOST_TRACED_TIMES * label.size:
            raise TooManyCornersError


def _count_small(label: Pixels, min_area: int) -> int:
    """Returns how many regions have fewer pixels."""
    if min_area <= 1:
        return 0
    counts = []
    for value in _present_ids(label):
        boxes = _connected(label, value)[2]
        counts.append(len(boxes) - 1 - len(_wanted(boxes, min_area)))
    return sum(counts)


def _connected(label: Pixels, value: int) -> Any:
    return cv2.connectedComponentsWithStats((label == value).astype(np.uint8), connectivity=8)


def _wanted(boxes: Any, min_area: int) -> list[int]:
    """Returns the numbers of the regions that are large enough; 0 is the pixels of other classes."""
    found: list[int] = (np.flatnonzero(boxes[1:, cv2.CC_STAT_AREA] >= min_area) + 1).tolist()
    return found


def _trace_polygons(
    mask: np.ndarray[Any, np.dtype[np.bool_]], top: int, left: int, most_corners: float
) -> list[list[int]]:
    """Returns polygons without holes, [x, y, x, y, ...], that together are a connected region.

    Args:
        mask: `bool[H, W]`, the region.
        top: Where the mask's first row is in the image.
        left: Where its first column is.
        most_corners: If its holes alone have more, it is not traced.

    Raises:
        TooManyCornersError: If they have.
    """
    # With a border of one pixel everything outside is connected; all other gaps are holes.
    padded = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), bool)
    padded[1:-1, 1:-1] = mask
    zoomed = padded.repeat(_ZOOM, axis=0).repeat(_ZOOM, axis=1).astype(np.uint8)
    _, gaps, boxes, _ = cv2.connectedComponentsWithStats((~padded).astype(np.uint8), connectivity=4)
    if _LEAST_CORNERS * (len(boxes) - 2) > most_corners:
        raise TooManyCornersError
    # Above and below each hole the region is cut up to the outside or another hole. The two sides of a cut
    # are not connected around it: from its upper end further cuts lead up to the outside, from its lower end
    # others lead down to it, and together they are a closed line.
    for hole, (x, y, width, height, _) in enumerate(boxes.tolist()):
        if hole == 0 or (x, y) == (0, 0):
            continue
        above = x + int(np.argmax(gaps[y, x : x + width] == hole))
        start = y - int(np.argmin(padded[y - 1 :: -1, above]))
        zoomed[start * _ZOOM : y * _ZOOM, above * _ZOOM] = 0
        bottom = y + height
        below = x + int(np.argmax(gaps[bottom - 1, x : x + width] == hole))
        stop = bottom + int(np.argmin(padded[bottom:, below]))
        zoomed[bottom * _ZOOM : stop * _ZOOM, below * _ZOOM] = 0
    contours, _ = cv2.findContours(zoomed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    # Pixel k has three columns: the first two are at its left edge, k, the last at its right one, k + 1. At a
    # cut, which removes the first, the second is the outermost. Contours take inner corners diagonally, from
    # the column before an edge to the one after it, which both belong to that edge.
    offset = np.array([left, top]) - 1
    return [_find_corners(((contour[:, 0] + 1) // _ZOOM + offset).tolist()) for contour in contours]


def _find_corners(points: list[list[int]]) -> list[int]:
    """Returns the corners of a polygon as a flat list, without repeated points and points on an edge."""
    corners: list[list[int]] = []
    for point in [*points, points[0]]:
        while len(corners) > 1 and _are_collinear(corners[-2], corners[-1], point):
            corners.pop()
        if not corners or point != corners[-1]:
            corners.append(point)
    # The first point of a contour is the leftmost of its highest ones, which is a corner.
    return [number for corner in corners[:-1] for number in corner]


def _are_collinear(first: list[int], second: list[int], third: list[int]) -> bool:
    return first[0] == second[0] == third[0] or first[1] == second[1] == third[1]


def _present_ids(label: Pixels) -> list[int]:
    present = np.flatnonzero(count_ids(label))
    return [value for value in present.tolist() if value != VOID]


def _make_annotation(value: int, segmentation: Any, box: list[int], area: int) -> Annotation:
    return {"category_id": value, "segmentation": segmentation, "bbox": box, "area": area, "iscrowd": 0}
