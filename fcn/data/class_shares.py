"""The share of each class of the labeled pixels, in a training split and in what is drawn from it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.classes import Classes, count_ids
from fcn.data.sampling import ClassSampler
from fcn.data.stream import TrainingStream
from fcn.pages.percent import percent
from fcn.system.parallel import map_on_all_cores
from fcn.system.progress import track

MEASURED = 1_000
"""Examples of a training that are measured, the first ones."""


class ClassShares(NamedTuple):
    """The share of each class of the labeled pixels before and after sampling, in the order of the ids.

    Attributes:
        classes: The classes.
        split: `float64[classes]`, from 0 to 1, over all labels of the training split.
        drawn: `float64[classes]`, from 0 to 1, over the labels of the examples that were measured, each as it
            is drawn and cropped.
        num_drawn: How many examples were measured.
    """

    classes: Classes
    split: npt.NDArray[np.float64]
    drawn: npt.NDArray[np.float64]
    num_drawn: int

    def describe(self) -> str:
        """Returns in a sentence how much more of the rarest class is drawn."""
        occurs = np.flatnonzero(self.split)
        rarest = int(occurs[np.argmin(self.split[occurs])])
        before, after = float(self.split[rarest]), float(self.drawn[rarest])
        examples = f"{self.num_drawn:,} examples" if self.num_drawn > 1 else "example"
        return (
            f"Balanced sampling: {self.classes.names[rarest]}, the rarest class, has {percent(before)} of "
            f"the labeled pixels of the training split and {percent(after)} of those of the first {examples} "
            f"drawn: {after / before:.1f} times as much."
        )


def measure_class_shares(
    stream: TrainingStream, sampler: ClassSampler, classes: Classes, count: int
) -> ClassShares:
    """Measures the shares of the first examples that a training draws, on their labels.

    These are the examples that its first steps learn from, so a training that is resumed measures the same.

    Args:
        stream: The examples.
        sampler: The sampler of `stream`.
        classes: Their classes.
        count: How many examples the training draws; no more than `MEASURED` are measured.

    Raises:
        DataError: If a label cannot be read.
    """
    num_classes, count = len(classes.names), min(MEASURED, count)

    def pixels(index: int) -> npt.NDArray[np.int64]:
        return count_ids(stream.label(index - stream.skipped))[:num_classes]

    drawn = np.zeros(num_classes, np.int64)
    for own in track(map_on_all_cores(pixels, range(count)), "measuring class shares", count, lines=True):
        drawn += own
    return ClassShares(classes, sampler.shares, drawn / max(1, drawn.sum()), count)
