"""Writes labels as YOLO segmentation reads them: a text file for each image, with a polygon in each line.

A line has the number of a class and the corners of a polygon as shares of the width and height. Tools round
them, or cut them to whole pixels, and fill with OpenCV's `fillPoly`; smaller polygons cover larger ones. So
holes that other classes fill are kept, while holes of the background are not, and void is background.

Source: Ultralytics' documentation of its data sets.
"""

import json
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from fcn.classes import VOID
from fcn.data.image_io import Pixels
from fcn.outputs.regions import find_regions

_MAX_SHAPES = 100_000
_FEWEST_POINTS = 3
_OFFSET = 0.25
"""Added to the pixel: rounded or cut, it is the same pixel."""


def yolo_lines(label: Pixels, numbers: Mapping[int, int]) -> tuple[str, int]:
    r"""Returns the lines for an image, and how many pixels besides void they do not give back.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.
        numbers: YOLO's number of each class id to draw; others are background.

    Example:
        >>> label = np.zeros((4, 4), np.uint8)
        >>> label[0:2, 2:4] = 7
        >>> yolo_lines(label, {7: 0})
        ('0 0.5625000 0.0625000 0.5625000 0.3125000 0.8125000 0.3125000 0.8125000 0.0625000\n', 0)
    """
    height, width = label.shape
    found = [
        (int(np.count_nonzero(region.filled)), region.class_id, np.array(region.points(), np.int32))
        for region in find_regions(label, numbers, 4)
    ]
    found.sort(key=lambda shape: -shape[0])
    drawn = np.zeros(label.shape, np.uint8)
    lines = []
    for _, class_id, points in found[:_MAX_SHAPES]:
        if len(points) < _FEWEST_POINTS:
            points = np.resize(points, (_FEWEST_POINTS, 2))
        cv2.fillPoly(drawn, [points], [numbers[class_id] + 1])
        shares = (points + _OFFSET) / (width, height)
        corners = " ".join(f"{value:.7f}" for value in shares.reshape(-1).tolist())
        lines.append(f"{numbers[class_id]} {corners}\n")
    table = np.zeros(256, np.uint8)
    for class_id, number in numbers.items():
        table[class_id] = number + 1
    return "".join(lines), int(np.count_nonzero((drawn != table[label]) & (label != VOID)))


def yolo_data_file(names: Sequence[str], folders: Mapping[str, str]) -> str:
    r"""Returns the content of `data.yaml`.

    Args:
        names: Names of the classes in the order of YOLO's numbers.
        folders: Folder of the images of each split, relative to the file.

    Example:
        >>> yolo_data_file(["cat"], {"train": "images/train"})
        'train: "images/train"\nnames:\n  0: "cat"\n'
    """
    # Text of JSON is text of YAML too.
    splits = "".join(f"{split}: {_quote(folder)}\n" for split, folder in folders.items())
    listed = "".join(f"  {number}: {_quote(name)}\n" for number, name in enumerate(names))
    return f"{splits}names:\n{listed}"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
