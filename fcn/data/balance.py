"""Class weights for the loss, so that rare classes are learned too."""

import numpy as np
import numpy.typing as npt

from fcn.config.sections import LossConfig
from fcn.errors import ConfigError

Weights = npt.NDArray[np.float64]


def class_weights(config: LossConfig, pixels: npt.NDArray[np.int64]) -> Weights | None:
    """Returns the weights of the classes that a configuration asks for.

    Args:
        config: The loss.
        pixels: `int64[images, classes]`, the pixels of each class in each label of the training split.

    Returns:
        `float64[classes]`, or None without weights.

    Raises:
        ConfigError: If weights are given, but not one for each class or none above 0.

    Example:
        >>> class_weights(LossConfig(class_weights=(1.0, 2.5)), np.array([[7, 3]]))
        array([1. , 2.5])
    """
    if config.class_weights == "none":
        return None
    if config.class_weights == "median_frequency":
        return median_frequency(pixels)
    weights, num_classes = np.array(config.class_weights, np.float64), pixels.shape[1]
    if len(weights) != num_classes:
        raise ConfigError(
            f"loss.class_weights: expected one weight for each of the {num_classes} classes of the data set, "
            f"in the order of their ids. Received: {len(weights)} weights."
        )
    if not weights.any():
        raise ConfigError(
            "loss.class_weights: expected a weight above 0 for one class at least. "
            f"Received: {config.class_weights}. Use none for equal weights."
        )
    return weights


def median_frequency(pixels: npt.NDArray[np.int64]) -> Weights:
    """Returns weights that are larger the rarer a class is where it occurs.

    The frequency of a class is the number of its pixels, divided by the number of all pixels of the
    images it occurs in; its weight is the median of all frequencies, divided by its own. Source: Eigen
    and Fergus, "Predicting Depth, Surface Normals and Semantic Labels with a Common Multi-Scale
    Convolutional Architecture", ICCV 2015, on semantic labels. Void pixels are not counted here, since
    they never count in training. A class without examples gets the weight 0 and does not count for
    the median: it has no pixels to weight, and label smoothing must not raise a class that cannot be learned.

    Args:
        pixels: `int64[images, classes]`, the pixels of each class in each label.

    Returns:
        `float64[classes]`.

    Example:
        >>> median_frequency(np.array([[1, 1, 0], [0, 1, 3]]))
        array([1.        , 1.5       , 0.66666667])
    """
    own = pixels.sum(axis=0)
    around = np.where(pixels > 0, pixels.sum(axis=1, keepdims=True), 0).sum(axis=0)
    occurs = own > 0
    weights = np.zeros(len(own))
    if occurs.any():
        frequency = own[occurs] / around[occurs]
        weights[occurs] = np.median(frequency) / frequency
    return weights
