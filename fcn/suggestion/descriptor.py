"""Describes what a net is not sure of in an image, so that images can be compared by it."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fcn.classes import VOID
from fcn.data.image_io import Pixels
from fcn.outputs.probabilities import Floats

_MOST_PARTS = 2
_MOST_VALUES = 256
"""Most values of a descriptor, unless there are more classes: 100,000 images of 21 classes take 34 MB."""


def parts_of_side(num_classes: int) -> int:
    """Returns into how many parts an image is divided along each side.

    Example:
        >>> parts_of_side(21), parts_of_side(150)
        (2, 1)
    """
    return max(
        parts for parts in range(1, _MOST_PARTS + 1) if parts == 1 or parts**2 * num_classes <= _MOST_VALUES
    )


def describe(label: Pixels, uncertainty: Pixels, num_classes: int) -> Floats:
    """Returns how uncertain a net is in each part of an image about each class that it predicts there.

    The uncertainty of a pixel is 1 - the probability of its label ("least confidence": Settles, "Active
    Learning Literature Survey", 2009, section 3.1). A value is the square root of the sum over the pixels of
    a class in a part, relative to all pixels of the image. So the square of the descriptor's length is the
    mean uncertainty of a pixel, and the distance of two descriptors is that of Hellinger, in which small
    classes count more than their pixels.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.
        uncertainty: `uint8[H, W]`, 255 times the uncertainty, as `Prediction.uncertainty`.
        num_classes: Number of classes, C.

    Returns:
        `float32[parts * parts * C]`, row by row, 0 to 1.

    Example:
        >>> describe(np.uint8([[0, 0], [0, 1]]), np.uint8([[0, 0], [0, 255]]), 2).tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]
    """
    parts = parts_of_side(num_classes)
    rows, columns = (np.arange(parts + 1) * side // parts for side in label.shape)
    sums = [
        # Part by part: `bincount` takes 16 bytes a pixel.
        np.bincount(label[place].ravel(), uncertainty[place].ravel(), VOID + 1)[:num_classes]
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
        for place in [(slice(top, bottom), slice(left, right))]
    ]
    shares = np.concatenate(sums) / (255 * label.size)
    return np.sqrt(shares).astype(np.float32)


def mean_uncertainty(descriptor: npt.NDArray[np.floating]) -> float:
    """Returns the mean uncertainty of a pixel, 0 to 1, from the descriptor of an image.

    Example:
        >>> mean_uncertainty(describe(np.uint8([[0, 1]]), np.uint8([[51, 255]]), 2))
        0.6
    """
    return round(float(np.square(descriptor, dtype=np.float64).sum()), 6)
