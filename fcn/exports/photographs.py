"""Chooses the images that an export is calibrated with or compared on."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fcn.data.image_io import Pixels
from fcn.errors import DataError
from fcn.jobs.sources.search import FORMATS, Unusable, find_images

LARGEST_SIDE = 1024
"""Rows and columns of an image that are used, at most: of larger ones the middle."""


def find_photographs(place: Path) -> list[Path]:
    """Returns an image, or those of a folder at any depth, in the order of their names; videos are left out.

    Raises:
        DataError: If there are none, or some cannot be read.
    """
    paths = []
    no_output = Path(os.devnull)  # nothing lies in it, so no folder is passed over
    for found in find_images([place], no_output):
        if isinstance(found, Unusable):
            raise DataError(f"{found.path}: {found.reason}")
        if found.kind == "image":
            paths.append(Path(found.path))
    paths.sort()  # folders list what they hold in any order
    if not paths:
        raise DataError(f"{place}: no images found. Expected {FORMATS}, at any depth.")
    return paths


def spread(paths: Sequence[Path], number: int) -> list[Path]:
    """Returns at most `number` paths, evenly from the first to the last.

    Example:
        >>> [path.name for path in spread([Path(name) for name in "abcde"], 3)]
        ['a', 'c', 'e']
    """
    chosen = np.linspace(0, len(paths) - 1, min(number, len(paths))).round().astype(int)
    return [paths[index] for index in chosen]


def middle(image: Pixels) -> Pixels:
    """Returns an image, `uint8[H, W, 3]`, or its middle if a side is longer than `LARGEST_SIDE`.

    Example:
        >>> middle(np.zeros((2000, 30, 3), np.uint8)).shape
        (1024, 30, 3)
    """
    firsts = [max(0, (length - LARGEST_SIDE) // 2) for length in image.shape[:2]]
    rows, columns = (slice(first, first + LARGEST_SIDE) for first in firsts)
    return image[rows, columns]
