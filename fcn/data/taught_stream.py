"""The examples of a training with a teacher, whose labels tell what the teacher is asked about."""

from fcn.classes import UNLABELED, VOID
from fcn.data.augmentation import Pixels
from fcn.data.stream import TrainingStream
from fcn.data.voc import Example


class TaughtStream(TrainingStream):
    """A training stream in whose labels void pixels of an image are `UNLABELED`.

    What is left void is outside of the image, or was cut out of it: there a teacher sees nothing. All else
    is as in `TrainingStream`.
    """

    def _read(self, example: Example) -> tuple[Pixels | None, Pixels]:
        image, label = super()._read(example)
        label = label.copy()  # that of an unpacked example is a file
        label[label == VOID] = UNLABELED
        return image, label
