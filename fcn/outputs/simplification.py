"""Simplifies polygons that run along the edges of pixels, within half a pixel.

A slanted border is a staircase. The line through the middles of its steps passes every corner at half a pixel
or less, so the middles are where a simpler polygon may have its corners, beside the corners at which no step
ends. Of these points the Douglas-Peucker method takes those that are needed, with distances to all corners
of the staircase.

Source: D. Douglas and T. Peucker, "Algorithms for the reduction of the number of points required to represent
a digitized line or its caricature", Cartographica 10 (1973).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_TOLERANCE = 0.5 + 1e-9
_RECTANGLE = 4
_FEWEST_POINTS = 3

Points = npt.NDArray[np.float64]


def simplify_polygon(polygon: Sequence[int]) -> list[float]:
    """Returns a polygon with fewer corners, whose border is nowhere further than half a pixel from this one.

    Args:
        polygon: [x, y, x, y, ...] without repetition, each step across or down, as `polygon_annotations`
            traces it. It comes back as it is if no simpler one is found.

    Example:
        >>> simplify_polygon([0, 0, 0, 4, 4, 4, 4, 3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0])
        [0, 0, 0, 4, 4, 4, 3.5, 3, 1, 0.5]
    """
    corners = np.array(polygon, np.float64).reshape(-1, 2)
    if len(corners) <= _RECTANGLE:
        return list(polygon)
    points, places = _find_candidates(corners)
    if len(points) < _FEWEST_POINTS:
        return list(polygon)
    kept = points[_choose(points, places, corners)]
    area, before = _signed_area(kept), _signed_area(corners)
    if not _FEWEST_POINTS <= len(kept) < len(corners) or area * before <= 0:
        return list(polygon)
    return [int(number) if number.is_integer() else number for number in kept.reshape(-1).tolist()]


def _find_candidates(corners: Points) -> tuple[Points, Points]:
    """Returns points where a simpler polygon may have corners, `float64[N, 2]`, and their places.

    The place of corner k is k; that of the middle of the edge after it is k + 0.5.
    """
    steps = np.roll(corners, -1, axis=0) - corners
    lengths = np.abs(steps).sum(axis=1)
    directions = steps / lengths[:, None]
    # On both sides of a step of a staircase the border has the same direction. At the end of a thin arm it
    # turns back.
    is_step = (lengths == 1) & (np.roll(directions, 1, axis=0) == np.roll(directions, -1, axis=0)).all(axis=1)
    between = np.flatnonzero(~is_step & ~np.roll(is_step, 1))
    middles = np.flatnonzero(is_step)
    points = np.concatenate([corners[between], corners[middles] + steps[middles] / 2])
    places = np.concatenate([between, middles + 0.5])
    order = np.argsort(places)
    return points[order], places[order]


def _choose(points: Points, places: Points, corners: Points) -> list[int]:
    """Returns the indices of the points that are needed, sorted."""
    count = len(points)
    # Once more, so that the last stretch ends where the first one begins.
    around = np.concatenate([corners, corners])
    closed = np.concatenate([points, points[:1]])
    ends = np.append(places, places[0] + len(corners))
    opposite = int(np.argmax(((points - points[0]) ** 2).sum(axis=1)))
    kept = {0, opposite}
    stretches = [(0, opposite), (opposite, count)]
    while stretches:
        first, last = stretches.pop()
        if last - first < 2:
            continue
        passed = around[int(ends[first]) + 1 : int(np.ceil(ends[last]))]
        if _distances(passed, closed[first], closed[last]).max(initial=0) <= _TOLERANCE:
            continue
        between = _distances(closed[first + 1 : last], closed[first], closed[last])
        middle = first + 1 + int(np.argmax(between))
        kept.add(middle)
        stretches += [(first, middle), (middle, last)]
    return sorted(kept)


def _distances(points: Points, start: Points, end: Points) -> Points:
    """Returns the distance of each point from the line between two others, not beyond them."""
    along = end - start
    length = float(along @ along)
    if length == 0:
        return np.asarray(np.hypot(*(points - start).T))
    share = np.clip((points - start) @ along / length, 0, 1)
    return np.asarray(np.hypot(*(points - start - share[:, None] * along).T))


def _signed_area(points: Points) -> Any:
    x, y = points.T
    return (x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
