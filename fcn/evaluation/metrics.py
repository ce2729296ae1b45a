"""The scores of the FCN paper (Long et al., CVPR 2015, section 5) and boundary IoU, from counts of pixels."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.int64]


def confusion_matrix(label: npt.ArrayLike, prediction: npt.ArrayLike, num_classes: int) -> Matrix:
    """Counts how often each true class was predicted as each class.

    Args:
        label: Integers of any shape: true class ids. Ids outside 0 to `num_classes` - 1, void among
            them, are left out.
        prediction: Integers of the same shape: predicted class ids, 0 to `num_classes` - 1.
        num_classes: How many classes there are.

    Returns:
        `int64[num_classes, num_classes]`: pixels; rows are true classes, columns predicted ones.

    Raises:
        ValueError: If the shapes differ, or a prediction is not a class id.

    Example:
        >>> confusion_matrix([0, 0, 1, 255], [0, 1, 1, 1], num_classes=2)
        array([[1, 1],
               [0, 1]])
    """
    truth, guess, counted = compared(label, prediction, num_classes)
    pairs = truth[counted].astype(np.int64) * num_classes + guess[counted]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def compared(
    label: npt.ArrayLike, prediction: npt.ArrayLike, num_classes: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Checks a label and a prediction, and returns both with a mask of the pixels whose true class is known.

    Args:
        label: True class ids of any shape; other values are void.
        prediction: Class ids of the same shape.
        num_classes: How many classes there are.

    Raises:
        ValueError: If the shapes differ, or a prediction is not a class id.
    """
    truth, guess = np.asarray(label), np.asarray(prediction)
    if truth.shape != guess.shape:
        raise ValueError(
            f"Expected a label and a prediction of one shape. Received: {truth.shape} and {guess.shape}."
        )
    if guess.size and not 0 <= int(guess.min()) <= int(guess.max()) < num_classes:
        raise ValueError(
            f"Expected predictions of 0 to {num_classes - 1}. Received: {guess.min()} to {guess.max()}."
        )
    return truth, guess, (truth >= 0) & (truth < num_classes)


class Scores(NamedTuple):
    """Scores of a net on a data set; each is 0 to 1, or NaN if there was nothing to score.

    Attributes:
        pixel_accuracy: Share of pixels labeled correctly.
        mean_accuracy: Mean over the true classes of the share of their pixels labeled correctly.
        mean_iou: Mean of `class_iou` over the classes that occur.
        frequency_weighted_iou: Mean of `class_iou`, weighted with each class's share of the pixels.
        class_iou: `float64[num_classes]`: intersection over union; NaN for a class that is neither in
            the labels nor in the predictions.
    """

    pixel_accuracy: float
    mean_accuracy: float
    mean_iou: float
    frequency_weighted_iou: float
    class_iou: npt.NDArray[np.float64]

    @classmethod
    def from_matrix(cls, matrix: Matrix) -> "Scores":
        """Computes all scores from `int64[num_classes, num_classes]`, rows true, columns predicted.

        Example:
            >>> scores = Scores.from_matrix(np.array([[1, 1], [0, 2]]))
            >>> scores.pixel_accuracy, scores.class_iou.round(3).tolist()
            (0.75, [0.5, 0.667])
        """
        correct = np.diag(matrix).astype(np.float64)
        true, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
        class_iou = _ratio(correct, true + predicted - correct)
        occurs = true > 0
        return cls(
            pixel_accuracy=_mean(_ratio(correct.sum(keepdims=True), true.sum(keepdims=True))),
            mean_accuracy=_mean(_ratio(correct, true)),
            mean_iou=_mean(class_iou),
            frequency_weighted_iou=_mean(
                _ratio((true[occurs] * class_iou[occurs]).sum(keepdims=True), true.sum(keepdims=True))
            ),
            class_iou=class_iou,
        )

    def as_dict(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Returns the scores as JSON can hold them: None for NaN, `class_iou` by class name.

        Args:
            class_names: The names of the classes, in the order of their ids.
        """
        return _as_json(self._asdict(), class_names)


class BoundaryScores(NamedTuple):
    """Boundary scores of a net; each is 0 to 1, or NaN without anything to score.

    Attributes:
        mean_boundary_iou: Mean of `class_boundary_iou` over the classes that occur.
        class_boundary_iou: `float64[num_classes]`: intersection over union of the boundary regions; NaN for
            a class that is neither in the labels nor in the predictions.
    """

    mean_boundary_iou: float
    class_boundary_iou: npt.NDArray[np.float64]

    @classmethod
    def from_counts(cls, counts: Matrix) -> "BoundaryScores":
        """Computes the scores from the sum of the `fcn.evaluation.boundary.boundary_counts` of all images.

        Example:
            >>> scores = BoundaryScores.from_counts(np.array([[3, 1, 0], [4, 4, 0]]))
            >>> scores.mean_boundary_iou, scores.class_boundary_iou.tolist()
            (0.5, [0.75, 0.25, nan])
        """
        class_boundary_iou = _ratio(counts[0], counts[1])
        return cls(_mean(class_boundary_iou), class_boundary_iou)

    def as_dict(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Returns the scores as JSON can hold them: None for NaN, `class_boundary_iou` by class name.

        Args:
            class_names: The names of the classes, in the order of their ids.
        """
        return _as_json(self._asdict(), class_names)


def _as_json(values: Mapping[str, Any], class_names: Sequence[str]) -> dict[str, Any]:
    """Converts scores for JSON; arrays with one number a class become dictionaries."""
    return {
        key: {name: none_for_nan(one) for name, one in zip(class_names, value.tolist(), strict=True)}
        if isinstance(value, np.ndarray)
        else none_for_nan(value)
        for key, value in values.items()
    }


def _ratio(numerator: npt.NDArray[Any], denominator: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Divides element by element; NaN where the denominator is zero."""
    result = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=result, where=np.asarray(denominator) > 0)
    return result


def _mean(values: npt.NDArray[np.float64]) -> float:
    """Returns the mean of the values that are not NaN; NaN if there is none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def none_for_nan(value: float) -> float | None:
    """Returns a number, or None for NaN, which JSON cannot hold.

    Example:
        >>> none_for_nan(math.nan), none_for_nan(0.5)
        (None, 0.5)
    """
    return None if math.isnan(value) else value
