"""The endless stream of augmented examples that training reads.

Item `index` depends on the seed and the index alone, never on what was read before it. A training
that is stopped therefore goes on where it was by starting to read at another index.
"""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fcn.config.augmentation import AugmentationConfig
from fcn.config.file import Config
from fcn.data.augmentation import (
    Pixels,
    View,
    apply_view,
    cut_label,
    draw_turn,
    jitter_color,
    random_view,
)
from fcn.data.distortion import distort
from fcn.data.mixing import choose_classes, cut_out, draw_box
from fcn.data.sampling import ClassSampler, DrawnClass, view_of_class
from fcn.data.unpacked import UnpackedExamples
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
        unpacked: Examples that need not be decoded, at first none. Items are the same with them.
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
        self.unpacked = UnpackedExamples(Path(), ())
        self.error: DataError | None = None
        self.read_at: dict[int, float] = {}
        self._order = lru_cache(maxsize=4)(self._shuffled)

    def _shuffled(self, epoch: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng([self.seed, _ORDER, epoch]).permutation(len(self.examples))

    def __getitem__(self, index: int) -> tuple[Pixels, Pixels]:
        """Returns image `uint8[H, W, 3]` RGB and label `uint8[H, W]` of item `index` >= 0.

        H and W are `augmentation.crop_size`, or those of the image without one.
        """
        settings = self.augmentation
        image, label, rng = self._changed(index, self._read)
        if image is None:
            raise ValueError("Expected an image.")
        if settings.color_jitter:
            image = jitter_color(np.ascontiguousarray(image), settings.color_jitter, rng)
        image = distort(np.ascontiguousarray(image), settings, rng)
        self.read_at[index] = time.monotonic()
        return image, label

    def label(self, index: int) -> Pixels:
        """Returns the label `uint8[H, W]` of item `index`, without reading its image.

        Raises:
            DataError: If it cannot be read.
        """
        return self._changed(index, self._read_label)[1]

    def _read(self, example: Example) -> tuple[Pixels | None, Pixels]:
        if (opened := self.unpacked.open(example)) is not None:
            return opened
        try:
            return read_example(example, self.num_classes)
        except DataError as error:
            self.error = error
            raise

    def _read_label(self, example: Example) -> tuple[Pixels | None, Pixels]:
        if (opened := self.unpacked.open(example)) is not None:
            return None, opened[1]
        return None, read_example_label(example, self.num_classes)

    def _changed(
        self, index: int, read: Callable[[Example], tuple[Pixels | None, Pixels]]
    ) -> tuple[Pixels | None, Pixels, np.random.Generator]:
        """Returns an item before its values are changed, and the generator to draw on with.

        Args:
            index: Number of the item.
            read: Returns image and label of an example; None in place of the image if it is not wanted.
        """
        settings = self.augmentation
        example, drawn, rng = self._draw(index)
        image, label = self._cut(*read(example), drawn, rng)
        if settings.class_mix and rng.random() < settings.class_mix:
            other = self.examples[int(rng.integers(len(self.examples)))]
            pasted, pasted_label = self._cut(*read(other), None, rng)
            where = choose_classes(pasted_label, self.num_classes, rng)
            label = np.where(where, pasted_label, label)
            if image is not None and pasted is not None:
                image = np.where(where[..., np.newaxis], pasted, image)
        if settings.cutout and rng.random() < settings.cutout:
            height, width = label.shape
            image, label = cut_out(image, label, draw_box((height, width), rng))
        return image, label, rng

    def _cut(
        self, image: Pixels | None, label: Pixels, drawn: DrawnClass | None, rng: np.random.Generator
    ) -> tuple[Pixels | None, Pixels]:
        """Returns a random view of an example, or all of it mirrored and turned at random."""
        settings = self.augmentation
        if settings.crop_size is not None:
            view = self._view(label, settings.crop_size, drawn, rng)
            if image is None:
                return None, cut_label(label, view, settings.crop_size)
            return apply_view(image, label, view, settings.crop_size)
        flip = settings.flip and rng.random() < 0.5
        upside_down, turns = draw_turn(settings, rng)
        both = [array for array in (image, label) if array is not None]
        if turns:
            both = [np.rot90(array, turns) for array in both]
        if flip or upside_down:
            rows, columns = (slice(None, None, -1 if mirrored else 1) for mirrored in (upside_down, flip))
            both = [array[rows, columns] for array in both]
        return (None if image is None else both[0]), both[-1]

    def _draw(self, index: int) -> tuple[Example, DrawnClass | None, np.random.Generator]:
        """Returns the example of an item, its class if one was drawn, and the generator to draw on with."""
        epoch, position = divmod(index + self.skipped, len(self.examples))
        rng = np.random.default_rng([self.seed, _CHANGE, epoch, position])
        if self.sampler is None:
            return self.examples[self._order(epoch)[position]], None, rng
        class_id, number = self.sampler.draw(rng)
        return self.examples[number], DrawnClass(class_id, int(self.sampler.pixels[number, class_id])), rng

    def _view(
        self, label: Pixels, crop_size: tuple[int, int], drawn: DrawnClass | None, rng: np.random.Generator
    ) -> View:
        """Returns the part of an example that an item shows."""
        settings = self.augmentation
        if drawn is not None:
            return view_of_class(label, drawn, crop_size, settings, rng)
        height, width = label.shape
        return random_view((height, width), crop_size, settings, rng)


def open_training_stream(
    config: Config,
    examples: Sequence[Example],
    num_classes: int,
    pixels: npt.NDArray[np.int64] | None,
    skipped: int = 0,
    kind: Callable[..., TrainingStream] = TrainingStream,
) -> TrainingStream:
    """Returns the examples of a training as its configuration asks for them.

    Args:
        config: How to learn.
        examples: The training split.
        num_classes: How many classes the labels may hold.
        pixels: `int64[images, classes]`, the pixels of each class in each label, without void; needed only
            for `data.sampling` "balanced".
        skipped: As of `TrainingStream`.
        kind: Makes the stream, of the arguments of `TrainingStream`.
    """
    sampler = None
    if config.data.sampling == "balanced" and pixels is not None:
        sampler = ClassSampler(pixels, config.data.sampling_temperature)
    return kind(examples, num_classes, config.augmentation, config.train.seed, sampler, skipped)
