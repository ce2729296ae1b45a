"""Finds the connected regions of a label, with their outlines through the centers of pixels.

labelme, CVAT and YOLO's tools fill a polygon together with its outline. So the polygon through the centers
of a region's border pixels becomes the region and its holes. `fcn.outputs.coco` traces along the edges of
pixels.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from fcn.classes import count_ids
from fcn.data.image_io import Pixels

Mask = npt.NDArray[np.bool_]


class Region(NamedTuple):
    """A connected region of one class.

    Attributes:
        class_id: The class.
        top: First row of its box.
        left: First column of its box.
        mask: `bool[h, w]`, its pixels in its box.
        filled: `bool[h, w]`, the same with its holes.
        outline: `int32[N, 2]`, the (x, y) of the pixels at which the border turns, in the box.
    """

    class_id: int
    top: int
    left: int
    mask: Mask
    filled: Mask
    outline: npt.NDArray[np.int32]

    def points(self) -> list[tuple[int, int]]:
        """Returns the outline in the image."""
        return [(x + self.left, y + self.top) for x, y in self.outline.tolist()]


def present_ids(label: Pixels) -> list[int]:
    """Returns the values that occur in a label, sorted.

    Example:
        >>> present_ids(np.array([[2, 0, 2]], np.uint8))
        [0, 2]
    """
    found: list[int] = np.flatnonzero(count_ids(label)).tolist()
    return found


def find_regions(label: Pixels, class_ids: Iterable[int], connectivity: int) -> Iterator[Region]:
    """Yields the regions of some classes.

    Args:
        label: `uint8[H, W]`, class ids.
        class_ids: The classes.
        connectivity: 8 if pixels that touch at a corner are connected; 4 if not. Regions of connectivity 4
            are nested: each lies in a hole of another one or outside of it.

    Example:
        >>> (region,) = find_regions(np.array([[1, 1, 0], [1, 1, 0]], np.uint8), [1], 4)
        >>> region.points()
        [(0, 0), (0, 1), (1, 1), (1, 0)]
    """
    for class_id in class_ids:
        of_class = label == class_id
        if not of_class.any():
            continue
        _, numbers, boxes, _ = cv2.connectedComponentsWithStats(
            of_class.astype(np.uint8), connectivity=connectivity
        )
        for number, (left, top, width, height, _) in enumerate(boxes.tolist()):
            if number == 0:  # the pixels of other classes
                continue
            mask = numbers[top : top + height, left : left + width] == number
            contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
            outline = contours[0][:, 0].astype(np.int32)
            yield Region(class_id, top, left, mask, _fill_holes(mask), outline)


def box_of_class(label: Pixels, class_id: int) -> Region:
    """Returns all pixels of a class that occurs as one region, without an outline.

    Example:
        >>> box_of_class(np.array([[0, 1, 0, 1]], np.uint8), 1).mask.tolist()
        [[True, False, True]]
    """
    of_class = label == class_id
    rows, columns = np.flatnonzero(of_class.any(axis=1)), np.flatnonzero(of_class.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    mask = of_class[top : rows[-1] + 1, left : columns[-1] + 1]
    return Region(class_id, top, left, mask, mask, np.empty((0, 2), np.int32))


def _fill_holes(mask: Mask) -> Mask:
    """Returns a region with what is not connected to the outside of its box."""
    # With a border of one pixel everything outside is connected.
    padded = np.pad(mask, 1)
    count, gaps = cv2.connectedComponents((~padded).astype(np.uint8), connectivity=4)
    return mask if count == 2 else (gaps != gaps[0, 0])[1:-1, 1:-1]
