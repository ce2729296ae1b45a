"""Inputs for timing: random images and labels, and the settings of SGD; no data set is needed."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fcn.classes import VOID

NUM_CLASSES = 21

LEARNING_RATE = 1e-4
"""So low that the loss stays finite on random images, whatever the number of steps."""

MOMENTUM = 0.9

VOID_SHARE = 0.05
"""Share of the pixels without a class; about that of Pascal VOC."""


def random_batch(
    batch_size: int, size: tuple[int, int], num_classes: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Returns a random batch, as training reads it.

    Args:
        batch_size: Number of images.
        size: (height, width) of each.
        num_classes: Number of classes.

    Returns:
        Images `float32[B, H, W, 3]`, 0 to 255, and labels `int32[B, H, W]`, 255 = void.
    """
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (batch_size, *size, 3)).astype(np.float32)
    labels = generator.integers(0, num_classes, (batch_size, *size)).astype(np.int32)
    labels[generator.random(labels.shape) < VOID_SHARE] = VOID
    return images, labels


def draw_weights(model: Any) -> None:
    """Replaces all weights of a Keras net with random ones, including those that start as zeros or symmetric.

    So no layer hides an error of another one, and swapped axes are found.

    Args:
        model: The net to change.
    """
    generator = np.random.default_rng(1)
    for layer in model.layers:
        values = [generator.normal(size=value.shape) for value in layer.get_weights()]
        # Kernels keep the variance of what they are applied to.
        scales = [np.sqrt(2 / np.prod(value.shape[:3])) if value.ndim == 4 else 0.5 for value in values]
        layer.set_weights([value * scale for value, scale in zip(values, scales, strict=True)])
