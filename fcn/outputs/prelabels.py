"""Labels of a net for labeling tools, in which people correct them: labelme and CVAT.

Small regions get the class that is nearest, so that nobody has to delete specks. All other shapes are as
`fcn data export` draws them: the background is what no shape covers.
"""

import json
from pathlib import PureWindowsPath

import cv2
import numpy as np

from fcn.classes import VOID, Classes, ids_to_draw
from fcn.data.image_io import Pixels
from fcn.outputs.cvat import cvat_names, cvat_shapes
from fcn.outputs.labelme import labelme_document, labelme_names, labelme_shapes
from fcn.outputs.regions import present_ids

_PIXELS_AT_ONCE = 2**24


def merge_small_regions(label: Pixels, min_area: int) -> tuple[Pixels, int]:
    """Returns a label without small regions, and how many there were.

    Their pixels get the class of the nearest pixel of another region. A label of small regions alone stays.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.
        min_area: Regions of fewer pixels are small.

    Example:
        >>> merged, count = merge_small_regions(np.array([[1, 2, 1, 1]], np.uint8), 2)
        >>> merged.tolist(), count
        ([[1, 1, 1, 1]], 2)
    """
    small = np.zeros(label.shape, bool)
    count = 0
    for class_id in present_ids(label) if min_area > 1 else ():
        if class_id == VOID:
            continue
        of_class = (label == class_id).astype(np.uint8)
        _, numbers, boxes, _ = cv2.connectedComponentsWithStats(of_class, connectivity=8)
        is_small = boxes[:, cv2.CC_STAT_AREA] < min_area
        is_small[0] = False  # the pixels of other classes
        count += int(np.count_nonzero(is_small))
        small |= is_small[numbers]
    if not count or small.all():
        return label, 0
    merged = label.copy()
    # In strips, since the search for what is nearest takes 8 bytes a pixel.
    rows = max(1, _PIXELS_AT_ONCE // label.shape[1])
    for top in range(0, label.shape[0], rows):
        _fill_from_nearest(merged[top : top + rows], small[top : top + rows])
    return merged, count


def _fill_from_nearest(label: Pixels, holes: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> None:
    """Gives pixels the value of the nearest one that is no hole, if there is one."""
    if not holes.any() or holes.all():
        return
    _, nearest = cv2.distanceTransformWithLabels(
        holes.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    values = np.zeros(int(nearest.max()) + 1, np.uint8)
    values[nearest[~holes]] = label[~holes]
    label[holes] = values[nearest[holes]]


def labelme_file(label: Pixels, classes: Classes, image_path: str) -> bytes:
    """Returns labelme's document for an image.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.
        classes: The classes.
        image_path: Path of the image, relative to the document.
    """
    names = labelme_names(classes, ids_to_draw(classes.names, False))
    height, width = label.shape
    document = labelme_document(labelme_shapes(label, names), image_path, (height, width))
    return f"{json.dumps(document, indent=2)}\n".encode("ascii")


def moved_labelme_file(data: bytes, image_path: str) -> bytes | None:
    r"""Returns labelme's document, perhaps a corrected one, of an image that was moved; all else in it stays.

    Args:
        data: The document.
        image_path: Path of the image now, relative to the document.

    Returns:
        The document; None if it is none, or names a file that is called otherwise.

    Example:
        >>> moved_labelme_file(b'{"imagePath": "../in/a.jpg", "flags": {}}', "../new/a.jpg")
        b'{\n  "imagePath": "../new/a.jpg",\n  "flags": {}\n}\n'
        >>> moved_labelme_file(b"[]", "../new/a.jpg") is None
        True
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    before = document.get("imagePath") if isinstance(document, dict) else None
    # labelme writes "\\" on Windows.
    if not isinstance(before, str) or PureWindowsPath(before).name != PureWindowsPath(image_path).name:
        return None
    document["imagePath"] = image_path
    return f"{json.dumps(document, indent=2)}\n".encode("ascii")


def cvat_elements(label: Pixels, classes: Classes) -> str:
    """Returns CVAT's elements for the shapes of an image, as `cvat_shapes` does."""
    return cvat_shapes(label, cvat_names(classes, ids_to_draw(classes.names, False)))
