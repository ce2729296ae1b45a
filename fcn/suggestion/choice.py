"""Chooses images of which a net is unsure and that differ from each other."""

import numpy as np
import numpy.typing as npt

from fcn.outputs.probabilities import Floats

_ROWS = 4096


def choose(descriptors: npt.NDArray[np.floating], count: int) -> list[int]:
    """Returns which images to choose, in the order of choice.

    This is the greedy choice of k centers (Gonzalez, 1985), which Sener & Savarese ("Active learning for
    convolutional neural networks: a core-set approach", ICLR 2018) use to cover a set of images: the next
    image is always the one that is farthest from those chosen before. As in BADGE (Ash et al., "Deep batch
    active learning by diverse, uncertain gradient lower bounds", ICLR 2020), a descriptor is as long as the
    net is unsure. The first center is the zero vector, an image without any doubt: so the first choice is the
    most uncertain image, and one of which the net is sure is chosen last, however much it differs.

    Of images that are equally far, the first is chosen. Images at no distance from a chosen one come after
    all others, the most uncertain first.

    Args:
        descriptors: `float[N, D]`, as `fcn.suggestion.descriptor.describe` returns them.
        count: How many to choose; all if there are fewer.

    Example:
        >>> choose(np.float32([[0, 0.2], [0.9, 0], [0.8, 0], [0, 0.5]]), 3)
        [1, 3, 0]
    """
    descriptors = descriptors.astype(np.float32)
    to_zero = _squared_distances(descriptors, np.zeros_like(descriptors[0]))
    distances = to_zero.copy()
    chosen: list[int] = []
    left = np.ones(len(descriptors), bool)
    while len(chosen) < min(count, len(descriptors)):
        # Neither a copy of a chosen image nor one without doubt has a distance.
        ranked = distances if distances.max() > 0 else to_zero
        index = int(np.where(left, ranked, -1).argmax())
        chosen.append(index)
        left[index] = False
        distances = np.minimum(distances, _squared_distances(descriptors, descriptors[index]))
    return chosen


def _squared_distances(descriptors: Floats, center: Floats) -> npt.NDArray[np.float64]:
    """Returns the squared distance of each descriptor from one, exactly 0 for the same."""
    found = np.empty(len(descriptors))
    for first in range(0, len(descriptors), _ROWS):  # a difference is as large as what it is taken from
        part = descriptors[first : first + _ROWS] - center
        found[first : first + _ROWS] = np.einsum("nd,nd->n", part, part)
    return found
