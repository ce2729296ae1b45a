"""Fits temperatures to scores of pixels whose class is known.

Source: Guo et al., "On calibration of modern neural networks" (ICML 2017), section 4.2: the temperature with
the lowest negative log-likelihood on images that the net was not trained on. One for each predicted class is
the same with the pixels of one predicted class alone.
"""

import numpy as np
import numpy.typing as npt

from fcn.inference.engines.engine import Floats

LOWEST, HIGHEST = 0.1, 10.0
"""Range of temperatures. Those of Guo et al. lie between 0.8 and 3."""

FEWEST_PIXELS = 1000
"""A class that is predicted at fewer drawn pixels gets the temperature of all classes."""

_MOST_SCORES = 1 << 23
"""Scores that are kept to fit to: of 12 classes, 700,000 pixels. Pixels of one image are alike, so more
images say more than more of their pixels."""
_MOST_STEPS = 100
_TOLERANCE = 1e-7

Values = npt.NDArray[np.float64]


class TemperatureFit:
    """Scores of pixels whose class is known, and the temperatures that fit them.

    Of each image the same number of pixels is drawn, and each counts for as many as it was drawn from.

    Args:
        num_classes: Number of classes.
        num_images: How many images will be added.
    """

    def __init__(self, num_classes: int, num_images: int) -> None:
        self._most = max(1, _MOST_SCORES // (num_classes * max(1, num_images)))
        self._scores: list[Floats] = []
        self._truth: list[npt.NDArray[np.uint8]] = []
        self._weights: list[Values] = []
        self._num_classes = num_classes

    def add(self, logits: Floats, label: npt.NDArray[np.uint8]) -> None:
        """Draws pixels of an image.

        Args:
            logits: `float32[H, W, C]`.
            label: `uint8[H, W]`, true class ids; others are void and left out.
        """
        known = np.flatnonzero(label.ravel() < self._num_classes)
        rng = np.random.default_rng(len(self._scores))
        drawn = known if len(known) <= self._most else np.sort(rng.choice(known, self._most, replace=False))
        scores = logits.reshape(-1, self._num_classes)[drawn]
        self._scores.append(scores - scores.max(axis=-1, keepdims=True))
        self._truth.append(label.ravel()[drawn])
        self._weights.append(np.full(len(drawn), len(known) / max(1, len(drawn))))

    def fit(self, per_class: bool = False, fewest: int = FEWEST_PIXELS) -> tuple[float, ...]:
        """Returns the temperature; or one for each class, for pixels at which it is predicted.

        Args:
            per_class: Whether to fit one for each class.
            fewest: A class that is predicted at fewer of the drawn pixels gets the temperature of all, and so
                does one that is always or never right, which no temperature fits.
        """
        scores = np.concatenate([np.empty((0, self._num_classes), np.float32), *self._scores])
        truth = np.concatenate([np.empty(0, np.uint8), *self._truth])
        weights = np.concatenate([np.empty(0), *self._weights])
        common = fit_temperature(scores, truth, weights)
        if not per_class:
            return (common,)
        predicted = scores.argmax(axis=-1)
        found = []
        for class_id in range(self._num_classes):
            chosen = predicted == class_id
            right = truth[chosen] == class_id
            fits = len(right) >= fewest and right.any() and not right.all()
            own = (scores[chosen], truth[chosen], weights[chosen])
            found.append(fit_temperature(*own) if fits else common)
        return tuple(found)


def fit_temperature(scores: Floats, truth: npt.NDArray[np.uint8], weights: Values) -> float:
    """Returns the temperature with the lowest negative log-likelihood, between `LOWEST` and `HIGHEST`.

    By Newton's method in one over the temperature, in which the likelihood is convex.

    Args:
        scores: `float32[N, C]`.
        truth: `uint8[N]`, true class ids.
        weights: `float64[N]`, how much each pixel counts.

    Example:
        >>> scores = np.array([[2, 0], [2, 0], [2, 0], [2, 0]], np.float32)
        >>> truth = np.array([0, 0, 0, 1], np.uint8)  # right three times of four: the odds are 3 to 1
        >>> round(fit_temperature(scores, truth, np.ones(4)), 4), round(2 / np.log(3), 4).item()
        (1.8205, 1.8205)
    """
    differences = scores.astype(np.float64)
    differences -= differences.max(axis=-1, keepdims=True, initial=-np.inf)
    of_truth = np.take_along_axis(differences, truth[:, None].astype(np.intp), axis=-1)[:, 0]
    low, high, inverse = 1 / HIGHEST, 1 / LOWEST, 1.0
    for _ in range(_MOST_STEPS):
        slope, curvature = _derivatives(differences, of_truth, weights, inverse)
        if slope == 0:
            break
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        following = inverse - slope / curvature if curvature > 0 else low
        if not low < following < high:
            following = (low * high) ** 0.5
        if abs(following - inverse) <= _TOLERANCE * inverse:
            break
        inverse = following
    return 1 / inverse


def _derivatives(
    differences: Values, of_truth: Values, weights: Values, inverse: float
) -> tuple[float, float]:
    """Returns the first and second derivative of the summed negative log-likelihood."""
    probabilities = np.exp(differences * inverse)
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    mean = (probabilities * differences).sum(axis=-1)
    probabilities *= np.square(differences)
    variance = probabilities.sum(axis=-1) - np.square(mean)
    return float((weights * (mean - of_truth)).sum()), float((weights * variance).sum())
