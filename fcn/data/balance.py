"""Class weights for the loss, so that rare classes are learned too."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fcn.classes import VOID
from fcn.config.sections import LossConfig
from fcn.data.image_io import check_label, read_label
from fcn.data.voc import Example
from fcn.errors import ConfigError
from fcn.system.parallel import map_on_all_cores
from fcn.system.progress import track

Weights = npt.NDArray[np.float64]


def class_weights(config: LossConfig, examples: Sequence[Example], num_classes: int) -> Weights | None:
    """Returns the weights of the classes that a configuration asks for.

    Args:
        config: The loss.
        examples: The training split, read only if the weights are measured.
        num_classes: How many classes there are.

    Returns:
        `float64[num_classes]`, or None without weights.

    Raises:
        ConfigError: If weights are given, but not one for each class or none above 0.
        DataError: If a label cannot be used.

    Example:
        >>> class_weights(LossConfig(class_weights=(1.0, 2.5)), [], num_classes=2)
        array([1. , 2.5])
    """
    if config.class_weights == "none":
        return None
    if config.class_weights == "median_frequency":
        return median_frequency(examples, num_classes)
    weights = np.array(config.class_weights, np.float64)
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


def median_frequency(examples: Sequence[Example], num_classes: int) -> Weights:
    """Measures weights that are larger the rarer a class is where it occurs.

    The frequency of a class is the number of its pixels, divided by the number of all pixels of the
    images it occurs in; its weight is the median of all frequencies, divided by its own. Source: Eigen
    and Fergus, "Predicting Depth, Surface Normals and Semantic Labels with a Common Multi-Scale
    Convolutional Architecture", ICCV 2015, on semantic labels. Void pixels are not counted here, since
    they never count in training. A class without examples gets the weight 0 and does not count for
    the median: it has no pixels to weight, and label smoothing must not raise a class that cannot be learned.

    Args:
        examples: Their labels are read, each once.
        num_classes: How many classes there are.

    Returns:
        `float64[num_classes]`.

    Raises:
        DataError: If a label cannot be read or holds other ids.
    """

    def count(example: Example) -> npt.NDArray[np.int64]:
        label = read_label(example.label_path)
        check_label(label, num_classes, example.label_path)
        return np.bincount(label[label != VOID], minlength=num_classes)

    own, around = np.zeros(num_classes, np.int64), np.zeros(num_classes, np.int64)
    for pixels in track(map_on_all_cores(count, examples), "measuring class weights", total=len(examples)):
        own += pixels
        around += np.where(pixels > 0, pixels.sum(), 0)
    occurs = own > 0
    weights = np.zeros(num_classes)
    if occurs.any():
        frequency = own[occurs] / around[occurs]
        weights[occurs] = np.median(frequency) / frequency
    return weights
