"""Robustness: the scores of a net on corrupted images."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fcn.data.voc import Example, read_example
from fcn.evaluation.corruptions.corrupt import CORRUPTIONS, corrupt
from fcn.evaluation.corruptions.kind import STRENGTHS
from fcn.evaluation.metrics import Scores, confusion_matrix
from fcn.inference.predictor import Predictor
from fcn.system.parallel import map_ahead
from fcn.system.progress import track


class Robustness(NamedTuple):
    """Scores of a net on corrupted images.

    Attributes:
        mean_iou: Mean IoU by corruption, for strengths 1 to 5.
    """

    mean_iou: dict[str, tuple[float, ...]]

    @property
    def average(self) -> float:
        """Mean IoU on average over all corruptions and strengths."""
        return float(np.mean([*self.mean_iou.values()]))

    def as_dict(self) -> dict[str, Any]:
        """Returns the scores as JSON can hold them."""
        scores = {name: [*values] for name, values in self.mean_iou.items()}
        return {"mean_iou": scores, "average_mean_iou": self.average}


def measure_robustness(
    predictor: Predictor, examples: Sequence[Example], seed: int = 0, names: Sequence[str] = (*CORRUPTIONS,)
) -> Robustness:
    """Scores a net on images that are corrupted in each way, at each strength.

    Each image is labeled 75 times. The same seed corrupts it alike for every net.

    Args:
        predictor: The net to score.
        examples: What to score it on.
        seed: Seed of the corruptions.
        names: Some of `CORRUPTIONS`.

    Raises:
        DataError: If an image or label cannot be used.
    """
    num_classes = len(predictor.classes.names)
    sums = np.zeros((len(names), len(STRENGTHS), num_classes, num_classes), np.int64)
    places = [*CORRUPTIONS]

    def read(example: Example) -> Any:
        return read_example(example._replace(bits=predictor.bits), num_classes)

    found = track(map_ahead(read, examples), "scoring corrupted images", len(examples), lines=True)
    for number, (image, label) in enumerate(found):
        for row, name in enumerate(names):
            for column, strength in enumerate(STRENGTHS):
                rng = np.random.default_rng((seed, number, places.index(name), strength))
                changed, own = corrupt(image, label, name, strength, rng)
                predicted = predictor.predict(changed).label
                sums[row, column] += confusion_matrix(own, predicted, num_classes)
    scores = {
        name: tuple(Scores.from_matrix(matrix).mean_iou for matrix in sums[row])
        for row, name in enumerate(names)
    }
    return Robustness(scores)
