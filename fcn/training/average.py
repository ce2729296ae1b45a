"""An average of the weights over the last steps, which often scores better than the last weights."""

from collections.abc import Sequence

import keras
import numpy as np

from fcn.models.net import SegmentationNet
from fcn.training.step_callback import StepCallback


class WeightAverage(StepCallback):
    """Keeps an exponential moving average of all weights in a second net, batch statistics included.

    After step t it is `m * average + (1 - m) * weights` with `m = min(momentum, (1 + t) / (10 + t))`, so that
    the random weights of the beginning are soon forgotten (as in `tf.train.ExponentialMovingAverage`).

    Args:
        model: The net that learns.
        averaged: A net like it, which takes the average.
        momentum: Share of the average that a step keeps, 0 to 1.
    """

    def __init__(self, model: SegmentationNet, averaged: SegmentationNet, momentum: float) -> None:
        self.momentum = momentum
        self._pairs = list(zip(averaged.weights, model.weights, strict=True))

    def on_step(self, step: int, loss: float) -> None:
        """Moves the average towards the weights."""
        move(self._pairs, min(self.momentum, (1 + step) / (10 + step)))


def copy_of(model: SegmentationNet) -> SegmentationNet:
    """Returns a net with the same weights that is not trained."""
    copy: SegmentationNet = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


def move(pairs: Sequence[tuple[keras.Variable, keras.Variable]], momentum: float) -> None:
    """Replaces the first of each pair of variables by `momentum * first + (1 - momentum) * second`.

    Example:
        >>> average, weight = keras.Variable(1.0), keras.Variable(3.0)
        >>> move([(average, weight)], 0.75)
        >>> float(average)
        1.5
    """
    keep, take = np.float32(momentum), np.float32(1 - momentum)
    for average, weight in pairs:
        average.assign(average * keep + weight * take)
