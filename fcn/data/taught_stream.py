"""The examples of a training with a teacher: with labels, and without."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fcn.classes import UNLABELED, VOID
from fcn.data.augmentation import Pixels
from fcn.data.image_io import read_image, read_size
from fcn.data.sampling import DrawnClass
from fcn.data.stream import TrainingStream
from fcn.data.voc import Example
from fcn.errors import DataError

# Keep the random numbers apart from those of the training split.
_ORDER, _CHANGE = 3, 4
_FINEST_SHARE = 10**6


class TaughtStream(TrainingStream):
    """A training stream in whose labels void pixels of an image are `UNLABELED`, with images without labels.

    What is left void is outside of the image, or was cut out of it: there a teacher sees nothing. Images
    without labels come in between those of the training split, as evenly as their share allows, in a new
    random order in each epoch of their own. All else is as in `TrainingStream`.

    Args:
        *arguments: Of `TrainingStream`.
        unlabeled: Images without labels; the path of their label is that of the image.
        unlabeled_share: Share of the items that show them, above 0 and up to 1.
        **options: Of `TrainingStream`.
    """

    def __init__(
        self,
        *arguments: Any,
        unlabeled: Sequence[Example] = (),
        unlabeled_share: float = 0.5,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.unlabeled = unlabeled
        self._share = Fraction(unlabeled_share if unlabeled else 0).limit_denominator(_FINEST_SHARE)
        self._unlabeled_order = lru_cache(maxsize=4)(self._shuffled_unlabeled)

    def _shuffled_unlabeled(self, epoch: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng([self.seed, _ORDER, epoch]).permutation(len(self.unlabeled))

    def _draw(self, index: int) -> tuple[Example, DrawnClass | None, np.random.Generator]:
        number = index + self.skipped
        before = self._count_unlabeled(number)
        if self._count_unlabeled(number + 1) == before:
            return super()._draw(index - before)
        epoch, position = divmod(before, len(self.unlabeled))
        rng = np.random.default_rng([self.seed, _CHANGE, epoch, position])
        return self.unlabeled[self._unlabeled_order(epoch)[position]], None, rng

    def _count_unlabeled(self, number: int) -> int:
        """Returns how many of the first items are without labels."""
        return int(number * self._share)

    def _read(self, example: Example) -> tuple[Pixels | None, Pixels]:
        if _has_label(example):
            image, label = super()._read(example)
            label = label.copy()  # that of an unpacked example is a file
            label[label == VOID] = UNLABELED
            return image, label
        try:
            found = read_image(example.image_path, example.bits)
        except DataError as error:
            self.error = error
            raise
        return found, np.full(found.shape[:2], UNLABELED, np.uint8)

    def _read_label(self, example: Example) -> tuple[Pixels | None, Pixels]:
        if _has_label(example):
            return super()._read_label(example)
        return None, np.full(read_size(example.image_path), VOID, np.uint8)


def _has_label(example: Example) -> bool:
    return example.label_path != example.image_path
