"""How sure it is that the best net of a comparison is better than the others: paired intervals.

All nets are scored on the same images, so the same draws of images are scored for each, and differences are
taken draw by draw. What makes an image easy or hard for both nets then falls out of the difference.

Source: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13 (percentile intervals).
"""

from collections.abc import Sequence
from typing import NamedTuple

from fcn.comparison.result import NetResult
from fcn.evaluation.bootstrap import FEW_IMAGES, Interval, interval
from fcn.system.text import counted


class Difference(NamedTuple):
    """The difference of the mean IoU of two nets.

    Attributes:
        best: Name of the net with the highest mean IoU.
        other: Name of another net.
        mean_iou: By how much that of the best is higher, 0 to 1.
        ends: The 95% interval of the difference.
        num_images: Number of images that both were scored on.
    """

    best: str
    other: str
    mean_iou: float
    ends: Interval
    num_images: int

    @property
    def may_be_chance(self) -> bool:
        """Whether the interval reaches 0, so that other images of the same kind may turn it."""
        return not self.ends.low > 0

    def describe(self) -> str:
        """Returns a sentence.

        Example:
            >>> Difference("8s", "16s", 0.012, Interval(0.004, 0.021), 100).describe()
            '8s beats 16s by 1.2 percentage points of mean IoU, 95% interval 0.4 to 2.1.'
        """
        points, low, high = (100 * value for value in (self.mean_iou, *self.ends))
        chance = " That may be chance." if self.may_be_chance else ""
        difference = f"{self.best} beats {self.other} by {points:.1f} percentage points of mean IoU"
        few = f" from {counted(self.num_images, 'image')} only" if self.num_images < FEW_IMAGES else ""
        return f"{difference}, 95% interval {low:.1f} to {high:.1f}{few}.{chance}"


def compare_with_best(nets: Sequence[NetResult]) -> list[Difference]:
    """Returns the differences of the best net and each of the others, in their order.

    Args:
        nets: Nets that were scored on the same images.
    """
    if len(nets) < 2 or not nets[0].evaluation.images:
        return []
    draws = [net.evaluation.draw_scores().mean_iou for net in nets]
    scores = [net.evaluation.scores.mean_iou for net in nets]
    best = max(range(len(nets)), key=scores.__getitem__)
    return [
        Difference(
            nets[best].name,
            net.name,
            scores[best] - scores[index],
            interval(draws[best] - draws[index]),
            len(net.evaluation.images),
        )
        for index, net in enumerate(nets)
        if index != best
    ]
