"""The largest mistake in an image: which class was taken for which, how much of it, and where."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.evaluation.metrics import Matrix

_PLACES = (
    ("top left", "top", "top right"),
    ("left", "middle", "right"),
    ("bottom left", "bottom", "bottom right"),
)


class Mistake(NamedTuple):
    """Pixels of one class that a net labels as another.

    Attributes:
        true: Id of their class.
        predicted: Id of the class that they are labeled as.
        pixels: Number of them.
        share: Their share of the pixels whose class is known, above 0.
        place: Third of the image in which their middle lies, "top left" or "middle" for example.
    """

    true: int
    predicted: int
    pixels: int
    share: float
    place: str


def largest_mistake(
    label: npt.NDArray[np.uint8], prediction: npt.NDArray[np.uint8], matrix: Matrix
) -> Mistake | None:
    """Returns the largest mistake in an image; None if every pixel whose class is known is labeled correctly.

    Args:
        label: `uint8[H, W]`, true class ids.
        prediction: `uint8[H, W]`, predicted class ids.
        matrix: `int64[C, C]`, the confusion matrix of both.

    Example:
        >>> from fcn.evaluation.metrics import confusion_matrix
        >>> label, prediction = np.zeros((6, 6), np.uint8), np.zeros((6, 6), np.uint8)
        >>> prediction[:2, 4:] = 1
        >>> mistake = largest_mistake(label, prediction, confusion_matrix(label, prediction, 2))
        >>> mistake.true, mistake.predicted, mistake.pixels, mistake.place
        (0, 1, 4, 'top right')
    """
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    pixels = int(wrong.max(initial=0))
    if not pixels:
        return None
    true, predicted = divmod(int(wrong.argmax()), len(wrong))
    rows, columns = np.nonzero((label == true) & (prediction == predicted))
    height, width = label.shape
    row, column = int(3 * rows.mean() / height), int(3 * columns.mean() / width)
    return Mistake(true, predicted, pixels, pixels / int(matrix.sum()), _PLACES[row][column])
