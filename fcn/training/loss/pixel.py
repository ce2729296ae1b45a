"""Losses of single pixels: cross entropy, the choice of the hardest pixels, focal loss.

All are 0 at void pixels, and so is their gradient, whatever the logits there: `LabeledPixels` replaces the
logits of void pixels before anything is computed from them.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from fcn.classes import VOID

# Below it `1 - p` is rounding; as the basis of a power with an exponent below 1 it would have no slope.
_SMALLEST_ONE_MINUS_P = 2.0**-23


class LabeledPixels(NamedTuple):
    """A batch in which void pixels are masked.

    Attributes:
        known: `bool[B, H, W]`, where there is a class.
        label: `int32[B, H, W]`, class ids; 0 at void pixels.
        logits: `float32[B, H, W, C]`; 0 at void pixels.
    """

    known: Any
    label: Any
    logits: Any

    @classmethod
    def of(cls, label: Any, logits: Any) -> "LabeledPixels":
        """Separates the labeled pixels of a batch from void.

        Args:
            label: Numbers of any type `[B, H, W]`, class ids, 255 = void.
            logits: Floats of any precision `[B, H, W, C]`.
        """
        label = ops.cast(label, "int32")
        known = ops.not_equal(label, VOID)
        # The gradient of `where` is exactly 0 where it took the other value, even if the logit is NaN.
        logits = ops.where(ops.expand_dims(known, -1), ops.cast(logits, "float32"), 0.0)
        return cls(known, ops.where(known, label, 0), logits)

    def negative_log_likelihood(self) -> Any:
        """Returns `-log(probability of the true class)`, `float32[B, H, W]`, of void pixels log(C)."""
        return ops.sparse_categorical_crossentropy(self.label, self.logits, from_logits=True)

    def weights(self, class_weights: Sequence[float] | None) -> Any:
        """Returns the weight of each pixel's class, `float32[B, H, W]`; 0 at void pixels.

        Args:
            class_weights: One a class; None: 1 for all.
        """
        known = ops.cast(self.known, "float32")
        if class_weights is None:
            return known
        return known * ops.take(ops.convert_to_tensor(class_weights, "float32"), self.label)


def cross_entropy(
    pixels: LabeledPixels, class_weights: Sequence[float] | None, label_smoothing: float
) -> Any:
    """Returns the weighted cross entropy of each pixel, `float32[B, H, W]`.

    With smoothing the truth of a pixel is `1 - label_smoothing` of its class plus
    `label_smoothing / C` of each of the C classes, its own among them (Szegedy et al., "Rethinking the
    Inception Architecture", CVPR 2016, section 7). Each class's part has that class's weight, as in
    PyTorch.

    Args:
        pixels: The batch.
        class_weights: One a class; None: 1 for all.
        label_smoothing: 0 up to 1, 1 excluded.

    Example:
        >>> pixels = LabeledPixels.of([[[0, 1, 255]]], ops.zeros((1, 1, 3, 2)))
        >>> ops.convert_to_numpy(cross_entropy(pixels, [1.0, 2.0], 0.0)).round(4)
        array([[[0.6931, 1.3863, 0.    ]]], dtype=float32)
    """
    losses = pixels.negative_log_likelihood() * pixels.weights(class_weights)
    if not label_smoothing:
        return losses
    num_classes = pixels.logits.shape[-1]
    weights = ops.convert_to_tensor(class_weights or [1.0] * num_classes, "float32")
    over_classes = -ops.squeeze(
        ops.matmul(ops.log_softmax(pixels.logits), ops.expand_dims(weights, 1)), axis=-1
    )
    spread = over_classes * ops.cast(pixels.known, "float32")
    return (1.0 - label_smoothing) * losses + label_smoothing / num_classes * spread


def focal(pixels: LabeledPixels, class_weights: Sequence[float] | None, gamma: float) -> Any:
    """Returns the weighted focal loss of each pixel, `float32[B, H, W]`.

    It is `-alpha (1 - p) ** gamma log p` with the probability p of the true class and that class's
    weight alpha: pixels that are right already hardly count. Source: Lin et al., "Focal Loss for Dense
    Object Detection", ICCV 2017, section 3.

    Args:
        pixels: The batch.
        class_weights: One a class; None: 1 for all.
        gamma: At least 0; 0 is cross entropy.

    Example:
        >>> pixels = LabeledPixels.of([[[0, 255]]], ops.zeros((1, 1, 2, 2)))
        >>> ops.convert_to_numpy(focal(pixels, None, 2.0)).round(4)
        array([[[0.1733, 0.    ]]], dtype=float32)
    """
    negative_log_likelihood, weights = pixels.negative_log_likelihood(), pixels.weights(class_weights)
    if gamma == 0:  # the slope of x ** 0 at x = 0 is NaN
        return negative_log_likelihood * weights
    # expm1 keeps the digits of 1 - p where p is close to 1.
    one_minus_p = ops.maximum(-ops.expm1(-negative_log_likelihood), _SMALLEST_ONE_MINUS_P)
    return ops.power(one_minus_p, gamma) * negative_log_likelihood * weights


def hardest(pixels: LabeledPixels, threshold: float, min_kept: float) -> Any:
    """Chooses the pixels whose true class has a low probability, `float32[B, H, W]` of 0 and 1.

    Source: online bootstrapping in Wu et al., "Bridging Category-level and Instance-level Semantic Image
    Segmentation", 2016, there with a number in place of a share.

    Args:
        pixels: The batch.
        threshold: Labeled pixels whose true class has at most this probability are chosen, above 0 and up to
            1; 1 chooses all.
        min_kept: Smallest share of the labeled pixels of the batch to choose, above 0 and up to 1. Where
            fewer are up to the threshold, the hardest ones are chosen, at least one, and all that are as
            hard as the last of them.

    Example:
        >>> logits = ops.array([[[[0.0, 0.0], [3.0, 0.0], [9.0, 0.0], [0.0, 9.0]]]])
        >>> pixels = LabeledPixels.of([[[0, 0, 0, 255]]], logits)
        >>> [ops.convert_to_numpy(hardest(pixels, 0.7, share)).tolist() for share in (0.1, 0.5)]
        [[[[1.0, 0.0, 0.0, 0.0]]], [[[1.0, 1.0, 0.0, 0.0]]]]
    """
    negative_log_likelihood = ops.stop_gradient(
        ops.where(pixels.known, pixels.negative_log_likelihood(), -1.0)
    )
    labeled = ops.sum(ops.cast(pixels.known, "float32"))
    place = ops.cast(ops.maximum(ops.ceil(min_kept * labeled), 1.0), "int32") - 1
    # Only sorting has a fixed shape, which XLA asks for, while how many to keep depends on the batch.
    last_kept = -ops.take(ops.sort(ops.reshape(-negative_log_likelihood, (-1,))), place)
    limit = ops.minimum(last_kept, -math.log(threshold))
    return ops.cast(ops.logical_and(pixels.known, negative_log_likelihood >= limit), "float32")
