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
from fcn.data.augmentation import Pixels, View, apply_view, cut_label, jitter_color, random_view
from fcn.data.sampling import ClassSampler, view_of_class
from fcn.data.voc import Example, read_example, read_example_label
from fcn.errors import DataError

# Keep the random numbers of the order and of the augmentation apart.
_ORDER, _CHANGE = 1, 2


class TrainingStream:
    """Augmented examples in a new random order each epoch, or drawn one by one by the classes they hold.

    Args:
        examples: The training split.
        num_classes: How many classes the labels may hold.
        augmentation: How examples are changed.
        seed: Random seed.
        sampler: Draws for each item a class and an example that holds it; None: each epoch has every example
            once.
        skipped: Number of the first item; `stream[index]` is item `index + skipped` of the endless stream.

    Attributes:
        error: The error of an example, for readers whose own errors hide it; None before one fails.
        read_at: When each item was ready, by `time.monotonic()`; readers may forget those they passed.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        num_classes: int,
        augmentation: AugmentationConfig,
        seed: int,
        sampler: ClassSampler | None = None,
        skipped: int = 0,
    ) -> None:
        self.examples = examples
        self.num_classes = num_classes
        self.augmentation = augmentation
        self.seed = seed
        self.sampler = sampler
        self.skipped = skipped
        self.error: DataError | None = None
        self.read_at: dict[int, float] = {}
        self._order = lru_cache(maxsize=4)(self._shuffled)

    def _shuffled(self, epoch: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng([self.seed, _ORDER, epoch]).permutation(len(self.examples))

    def __getitem__(self, index: int) -> tuple[Pixels, Pixels]:
        """Returns image `uint8[H, W, 3]` RGB and label `uint8[H, W]` of item `index` >= 0.

        H and W are `augmentation.crop_size`, or those of the image without one.
        """
        example, class_id, rng = self._draw(index)
        try:
            image, label = read_example(example, self.num_classes)
        except DataError as error:
            self.error = error
            raise
        settings = self.augmentation
        if settings.crop_size is not None:
            view = self._view(label, settings.crop_size, class_id, rng)
            image, label = apply_view(image, label, view, settings.crop_size)
        elif settings.flip and rng.random() < 0.5:
            image, label = image[:, ::-1], label[:, ::-1]
        if settings.color_jitter:
            image = jitter_color(np.ascontiguousarray(image), settings.color_jitter, rng)
        self.read_at[index] = time.monotonic()
        return image, label

    def label(self, index: int) -> Pixels:
        """Returns the label `uint8[H, W]` of item `index`, without reading its image.

        That of a whole image is not mirrored.

        Raises:
            DataError: If it cannot be read.
        """
        example, class_id, rng = self._draw(index)
        label = read_example_label(example, self.num_classes)
        crop_size = self.augmentation.crop_size
        if crop_size is None:
            return label
        return cut_label(label, self._view(label, crop_size, class_id, rng), crop_size)

    def _draw(self, index: int) -> tuple[Example, int | None, np.random.Generator]:
        """Returns the example of an item, its class if one was drawn, and the generator to draw on with."""
        epoch, position = divmod(index + self.skipped, len(self.examples))
        rng = np.random.default_rng([self.seed, _CHANGE, epoch, position])
        if self.sampler is None:
            return self.examples[self._order(epoch)[position]], None, rng
        class_id, number = self.sampler.draw(rng)
        return self.examples[number], class_id, rng

    def _view(
        self, label: Pixels, crop_size: tuple[int, int], class_id: int | None, rng: np.random.Generator
    ) -> View:
        """Returns the part of an example that an item shows."""
        settings = self.augmentation
        if class_id is not None:
            return view_of_class(label, class_id, crop_size, settings.scale, settings.flip, rng)
        height, width = label.shape
        return random_view((height, width), crop_size, settings.scale, settings.flip, rng)
