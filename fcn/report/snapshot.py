"""An evaluation with everything that a page shows of it, so that the page can be written again at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fcn.classes import Classes
from fcn.report.pictures import ShownImage, choose, show_image
from fcn.system.progress import track

if TYPE_CHECKING:  # these import a backend; a page needs none
    from fcn.evaluation.evaluation import Evaluation
    from fcn.inference.predictor import Predictor


class Snapshot(NamedTuple):
    """The part of an evaluation that a report shows.

    Attributes:
        evaluation: The scores.
        classes: The names and colors of the classes.
        split: Name of the split that was scored.
        weights: The weights that were scored, such as "Best checkpoint".
        best: The images with the highest mean IoU, best first.
        worst: The images with the lowest mean IoU, worst first.
        warnings: Why the scores may be too good, and what could not be checked, a sentence each.
    """

    evaluation: "Evaluation"
    classes: Classes
    split: str
    weights: str
    best: list[ShownImage]
    worst: list[ShownImage]
    warnings: tuple[str, ...] = ()


def take_snapshot(
    predictor: "Predictor",
    evaluation: "Evaluation",
    split: str,
    weights: str,
    num_pictures: int = 4,
    warnings: Sequence[str] = (),
) -> Snapshot:
    """Labels the images to show once more, and returns what a report shows of an evaluation.

    Args:
        predictor: The net that was scored.
        evaluation: Its scores.
        split: Name of the split that was scored.
        weights: The weights that were scored, such as "Best checkpoint" or "Weights after step 2,000".
        num_pictures: How many of the best and how many of the worst images to show.
        warnings: Why the scores may be too good, and what could not be checked, a sentence each.

    Raises:
        DataError: If an image to show can no longer be read.
    """
    best, worst = choose(evaluation.images, num_pictures)
    chosen = track([*best, *worst], "writing report", len(best) + len(worst), lines=True)
    shown = [show_image(predictor, score) for score in chosen]
    classes = predictor.classes
    count = len(best)
    return Snapshot(evaluation, classes, split, weights, shown[:count], shown[count:], tuple(warnings))
