"""Boundary IoU: counting the pixels near the outlines of classes."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from fcn.classes import VOID, count_ids
from fcn.evaluation.metrics import Matrix, compared

BOUNDARY_WIDTH = 0.02
"""Depth of a boundary region, relative to the image's diagonal (Cheng et al., CVPR 2021, section 5)."""


def boundary_counts(label: npt.ArrayLike, prediction: npt.ArrayLike, num_classes: int) -> Matrix:
    """Counts the pixels that boundary IoU compares, for each class of one image.

    The boundary region of a class holds its pixels that are at most `d` rows and `d` columns away from
    another class or from the outside of the image. `d` is 2% of the image's diagonal, rounded, and at
    least 1. This is what the published code does: it erodes the mask of each class `d` times with a square of
    3 x 3, with one pixel of border around the image (Cheng et al., "Boundary IoU", CVPR 2021, section
    5; github.com/bowenc0221/boundary-iou-api).

    Void pixels belong to no class in either map, whatever is predicted there: they are not counted, and a
    class ends where it meets void. A prediction that is right on all other pixels thus has the regions of
    the label. (The paper has no void; it scores single objects.)

    Args:
        label: As for `confusion_matrix`, with two axes: rows and columns of an image.
        prediction: As for `confusion_matrix`.
        num_classes: How many classes there are, at most 255.

    Returns:
        `int64[2, num_classes]`: pixels in the region of both label and prediction, and in that of either.
        Add up those of all images of a data set, as `BoundaryScores.from_counts` expects.

    Raises:
        ValueError: If the shapes differ, have other than two axes, or a prediction is not a class id.

    Example:
        >>> boundary_counts(np.zeros((5, 5), int), np.zeros((5, 5), int), num_classes=2)
        array([[16,  0],
               [16,  0]])
    """
    truth, guess, counted = compared(label, prediction, num_classes)
    if truth.ndim != 2:
        raise ValueError(f"Expected a label of two axes. Received: {truth.ndim}, shape={truth.shape}.")
    regions = [np.where(counted, classes, VOID).astype(np.uint8) for classes in (truth, guess)]
    regions = [np.where(_is_boundary(classes), classes, VOID) for classes in regions]
    both = np.where(regions[0] == regions[1], regions[0], VOID)
    in_label, in_prediction, in_both = (count_ids(region)[:num_classes] for region in (*regions, both))
    return np.stack([in_both, in_label + in_prediction - in_both])


def _is_boundary(classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Returns for each pixel whether another class, void or the outside is near it.

    One pass is enough for all classes: a neighborhood holds one class where its largest and smallest ids are
    equal.
    """
    if not classes.size:
        return np.zeros(classes.shape, np.bool_)
    depth = max(1, round(BOUNDARY_WIDTH * math.hypot(*classes.shape)))
    framed = cv2.copyMakeBorder(classes, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=VOID)
    square = np.ones((2 * depth + 1, 2 * depth + 1), np.uint8)
    different: npt.NDArray[np.bool_] = cv2.dilate(framed, square) != cv2.erode(framed, square)
    return different[1:-1, 1:-1]
