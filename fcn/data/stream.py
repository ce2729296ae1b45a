"""The endless stream of augmented examples that training reads.

Item `index` depends on the seed and the index alone, never on what was read before it. A training
that is stopped therefore goes on where it was by starting to read at another index.
"""

import time
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fcn.config.sections import AugmentationConfig
from fcn.data.augmentation import Pixels, apply_view, jitter_color, random_view
from fcn.data.voc import Example, read_example
from fcn.errors import DataError

# Keep the random numbers of the order and of the augmentation apart.
_ORDER, _CHANGE = 1, 2


class TrainingStream:
    """Augmented examples in a new random order each epoch.

    Args:
        examples: The training split.
        num_classes: How many classes the labels may hold.
        augmentation: How examples are changed.
        seed: Random seed.

    Attributes:
        error: The error of an example, for readers whose own errors hide it; None before one fails.
        read_at: When each item was ready, by `time.monotonic()`; readers may forget those they passed.
    """

    def __init__(
        self, examples: Sequence[Example], num_classes: int, augmentation: AugmentationConfig, seed: int
    ) -> None:
        self.examples = examples
        self.num_classes = num_classes
        self.augmentation = augmentation
        self.seed = seed
        self.error: DataError | None = None
        self.read_at: dict[int, float] = {}
        self._order = lru_cache(maxsize=4)(self._shuffled)

    def _shuffled(self, epoch: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng([self.seed, _ORDER, epoch]).permutation(len(self.examples))

    def __getitem__(self, index: int) -> tuple[Pixels, Pixels]:
        """Returns image `uint8[H, W, 3]` RGB and label `uint8[H, W]` of item `index` >= 0.

        H and W are `augmentation.crop_size`, or those of the image without one.
        """
        epoch, position = divmod(index, len(self.examples))
        try:
            image, label = read_example(self.examples[self._order(epoch)[position]], self.num_classes)
        except DataError as error:
            self.error = error
            raise
        rng = np.random.default_rng([self.seed, _CHANGE, epoch, position])
        settings = self.augmentation
        height, width = label.shape
        if settings.crop_size is not None:
            view = random_view((height, width), settings.crop_size, settings.scale, settings.flip, rng)
            image, label = apply_view(image, label, view, settings.crop_size)
        elif settings.flip and rng.random() < 0.5:
            image, label = image[:, ::-1], label[:, ::-1]
        if settings.color_jitter:
            image = jitter_color(np.ascontiguousarray(image), settings.color_jitter, rng)
        self.read_at[index] = time.monotonic()
        return image, label
