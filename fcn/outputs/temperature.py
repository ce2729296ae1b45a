"""Temperatures by which the scores of a calibrated net are divided, so that probabilities are true."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt


class Temperatures:
    """The temperatures of a calibrated net: one, or one for each class, chosen by the class of the label.

    The probabilities of a pixel are the softmax of its scores over its temperature: Guo et al., "On
    calibration of modern neural networks" (ICML 2017), section 4.2. All scores of a pixel have the same
    temperature, so its label stays.

    Args:
        values: One temperature, or one for each class; above 0.

    Attributes:
        values: The temperatures.
        inverse: `float32[1]` or `float32[C]`, one over each.

    Raises:
        ValueError: If there is none, or one is not a number above 0.

    Example:
        >>> differences = np.array([[0, -4], [-2, 0]], np.float32)
        >>> Temperatures([2, 4]).scale(differences)
        >>> differences.tolist()
        [[0.0, -2.0], [-0.5, 0.0]]
    """

    def __init__(self, values: Sequence[float]) -> None:
        self.values = tuple(float(value) for value in values)
        if not self.values or not all(0 < value < np.inf for value in self.values):
            raise ValueError(f"Expected temperatures above 0. Received: {values}.")
        self.inverse: npt.NDArray[np.float32] = (1 / np.array(self.values)).astype(np.float32)

    @classmethod
    def of(cls, values: Sequence[float] | None) -> Self | None:
        """Returns those of a net; None for one that is not calibrated.

        Args:
            values: Its argument `temperatures`.
        """
        return None if values is None else cls(values)

    @property
    def per_class(self) -> bool:
        """Whether each class has one of its own."""
        return len(self.values) > 1

    def scale(self, differences: npt.NDArray[Any]) -> None:
        """Divides scores by their temperatures, in place.

        Args:
            differences: `float[..., C]`, from the highest score of each pixel, which is 0 here.
        """
        if self.per_class:
            differences *= self.inverse[differences.argmax(axis=-1)][..., np.newaxis]
        else:
            differences *= self.inverse[0]
