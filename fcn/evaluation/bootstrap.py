"""Intervals of scores by the bootstrap: how far they would vary with other images of the same kind.

Images are drawn with replacement, as many as there are, and scored again; the middle 95% of many such draws
are the interval. Pixels of one image are not independent, therefore whole images are drawn.

Source: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13 (percentile intervals).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.evaluation.metrics import Matrix, Scores

DRAWS = 1000
"""Number of draws: the ends of an interval of 95% are then the 25th from below and from above."""
_SHARE = 0.95

FEW_IMAGES = 10
"""Fewer images than these say little of others: they differ more than their pixels."""

Floats = npt.NDArray[np.float64]


class ImageCounts(NamedTuple):
    """Confusion matrix of one image, without its zeros: nets have many classes, and images few.

    Attributes:
        places: `int64[N]`, places of the matrix, row by row.
        pixels: `int64[N]`, their counts, above 0.
    """

    places: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]

    @classmethod
    def of(cls, matrix: Matrix) -> "ImageCounts":
        """Returns the counts of `int64[C, C]`."""
        places = np.flatnonzero(matrix)
        return cls(places, matrix.ravel()[places])


class Interval(NamedTuple):
    """Interval of a score.

    Attributes:
        low: Lower end.
        high: Upper end.
    """

    low: float
    high: float


class ScoreDraws:
    """Scores of many draws of images.

    Two nets that were scored on the same images, in the same order, get the same draws from one seed, so that
    their scores can be compared draw by draw.

    Args:
        images: Counts of each image.
        num_classes: Number of classes.
        draws: Number of draws.
        seed: Seed of the draws.

    Attributes:
        mean_iou: `float64[draws]`.
        pixel_accuracy: `float64[draws]`.
        mean_accuracy: `float64[draws]`.
        frequency_weighted_iou: `float64[draws]`.
        class_iou: `float64[draws, C]`; NaN where a draw has no image with the class.
    """

    def __init__(
        self, images: Sequence[ImageCounts], num_classes: int, draws: int = DRAWS, seed: int = 0
    ) -> None:
        rng = np.random.default_rng(seed)
        number = len(images)
        places = np.concatenate([image.places for image in images]) if images else np.zeros(0, np.int64)
        pixels = np.concatenate([image.pixels for image in images]) if images else np.zeros(0, np.int64)
        lengths = [len(image.places) for image in images]
        scores = []
        for _ in range(draws):
            times = np.bincount(rng.integers(0, max(1, number), number), minlength=number)
            # Exact: counts of pixels stay below 2^53.
            total = np.bincount(places, np.repeat(times, lengths) * pixels, num_classes**2)
            scores.append(Scores.from_matrix(total.astype(np.int64).reshape(num_classes, num_classes)))
        self.mean_iou = np.array([one.mean_iou for one in scores])
        self.pixel_accuracy = np.array([one.pixel_accuracy for one in scores])
        self.mean_accuracy = np.array([one.mean_accuracy for one in scores])
        self.frequency_weighted_iou = np.array([one.frequency_weighted_iou for one in scores])
        self.class_iou = np.array([one.class_iou for one in scores]).reshape(draws, num_classes)

    def as_dict(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Returns the interval of each score as JSON can hold it: [low, high], or None for NaN.

        Args:
            class_names: The names of the classes, in the order of their ids.
        """
        names = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou")
        document: dict[str, Any] = {name: _ends(getattr(self, name)) for name in names}
        columns = self.class_iou.T
        return document | {"class_iou": dict(zip(class_names, map(_ends, columns), strict=True))}


def interval(values: Floats) -> Interval:
    """Returns the middle 95% of the values of draws; NaN where all are NaN.

    Example:
        >>> [round(end) for end in interval(np.arange(1001.0))]
        [25, 975]
    """
    known = values[~np.isnan(values)]
    if not known.size:
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - _SHARE) / 2, (1 + _SHARE) / 2])
    return Interval(float(low), float(high))


def _ends(values: Floats) -> list[float] | None:
    found = interval(values)
    return None if np.isnan(found.low) else [*found]
