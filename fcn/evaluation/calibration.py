"""Calibration: whether a net's probabilities are as high as the share of pixels that it labels correctly.

Sources: expected calibration error and reliability diagrams, Guo et al., "On calibration of modern neural
networks" (ICML 2017), sections 2 and 5; Brier, "Verification of forecasts expressed in terms of probability"
(Monthly Weather Review, 1950).
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.evaluation.metrics import none_for_nan

BINS = 15
"""Number of bins, as in the experiments of Guo et al."""

_SMALLEST = float(np.finfo(np.float32).tiny)

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Calibration(NamedTuple):
    """Calibration of a net on a data set.

    Attributes:
        expected_error: Expected calibration error, 0 to 1: the distance between confidence and accuracy of a
            bin, on average over all pixels.
        class_expected_error: `float64[C]`, the same over the pixels that a net labels as one class; NaN for
            a class that is never predicted.
        negative_log_likelihood: Mean over the pixels of -ln(p) of their true class, 0 or more.
        brier: Mean over the pixels of the squared distances between the probabilities and 1 or 0 of all
            classes, summed; 0 to 2.
        pixels: `int64[B]`, the number of pixels in each bin. Bin b has confidences from b/B to (b+1)/B.
        confidence: `float64[B]`, their mean confidence; NaN for an empty bin.
        accuracy: `float64[B]`, the share of them that is labeled correctly; NaN for an empty bin.
    """

    expected_error: float
    class_expected_error: Floats
    negative_log_likelihood: float
    brier: float
    pixels: Counts
    confidence: Floats
    accuracy: Floats

    def as_dict(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Returns the values as JSON can hold them: None for NaN, those of classes by name.

        Args:
            class_names: The names of the classes, in the order of their ids.
        """
        found = map(none_for_nan, self.class_expected_error.tolist())
        return {
            "expected_calibration_error": none_for_nan(self.expected_error),
            "class_expected_calibration_error": dict(zip(class_names, found, strict=True)),
            "negative_log_likelihood": none_for_nan(self.negative_log_likelihood),
            "brier_score": none_for_nan(self.brier),
            "num_pixels": int(self.pixels.sum()),
            "bins": [
                {
                    "pixels": pixels,
                    "mean_confidence": none_for_nan(confidence),
                    "accuracy": none_for_nan(accuracy),
                }
                for pixels, confidence, accuracy in zip(
                    self.pixels.tolist(), self.confidence.tolist(), self.accuracy.tolist(), strict=True
                )
            ],
        }


class CalibrationSums:
    """Sums over pixels, of which calibration follows.

    Args:
        num_classes: Number of classes.
        bins: Number of bins of confidence, of equal width.

    Example:
        >>> sums = CalibrationSums(num_classes=2, bins=10)
        >>> sums.add(np.array([[[0.75, 0.25], [0.25, 0.75]]], np.float32), np.array([[0, 0]], np.uint8))
        >>> round(sums.calibration().expected_error, 6)  # of two pixels with 0.75 one is labeled correctly
        0.25
    """

    def __init__(self, num_classes: int, bins: int = BINS) -> None:
        shape = num_classes, bins
        self._pixels, self._correct = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        self._confidence = np.zeros(shape)
        self._log_likelihood = self._brier = 0.0

    def add(self, probabilities: npt.NDArray[np.float32], label: npt.NDArray[np.uint8]) -> None:
        """Adds the pixels of an image whose true class is known.

        Args:
            probabilities: `float32[H, W, C]`; they sum to 1 over the classes.
            label: `uint8[H, W]`, true class ids; others are void and left out.
        """
        num_classes, bins = self._pixels.shape
        known = label < num_classes
        probabilities, truth = probabilities[known], label[known]
        predicted = probabilities.argmax(axis=-1)
        confidence = probabilities.max(axis=-1)
        of_truth = np.take_along_axis(probabilities, truth[:, None].astype(np.intp), axis=-1)[:, 0]
        places = predicted * bins + np.minimum((confidence * bins).astype(np.intp), bins - 1)
        size, shape = num_classes * bins, self._pixels.shape
        self._pixels += np.bincount(places, minlength=size).reshape(shape)
        self._correct += np.bincount(places[predicted == truth], minlength=size).reshape(shape)
        self._confidence += np.bincount(places, confidence, size).reshape(shape)
        self._log_likelihood += float(np.log(np.maximum(of_truth, _SMALLEST), dtype=np.float64).sum())
        squares = np.square(probabilities).sum(axis=-1, dtype=np.float64)
        self._brier += float((squares - 2 * of_truth + 1).sum())

    def calibration(self) -> Calibration:
        """Returns the calibration over all pixels that were added."""
        total = int(self._pixels.sum())
        with np.errstate(invalid="ignore"):  # 0 / 0: nothing to take a mean of
            confidence = self._confidence.sum(axis=0) / self._pixels.sum(axis=0)
            accuracy = self._correct.sum(axis=0) / self._pixels.sum(axis=0)
            of_classes = np.abs(self._confidence - self._correct).sum(axis=1) / self._pixels.sum(axis=1)
        distances = np.abs(self._confidence.sum(axis=0) - self._correct.sum(axis=0))
        return Calibration(
            float(distances.sum()) / total if total else math.nan,
            of_classes,
            -self._log_likelihood / total if total else math.nan,
            self._brier / total if total else math.nan,
            self._pixels.sum(axis=0),
            confidence,
            accuracy,
        )
