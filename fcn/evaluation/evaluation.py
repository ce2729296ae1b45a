"""What scoring a net gives: its scores, and the document that keeps them."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.data.leaks import ExampleDigest
from fcn.data.voc import Example
from fcn.evaluation.bootstrap import ImageCounts, ScoreDraws
from fcn.evaluation.calibration import Calibration
from fcn.evaluation.metrics import BoundaryScores, Matrix, Scores
from fcn.evaluation.mistakes import Mistake
from fcn.inference.views import PLAIN, Views
from fcn.pages.percent import percent
from fcn.runs.lineage import TrainingSplit, training_document
from fcn.system.notebook import html_table, text_table
from fcn.system.text import counted


class ImageScore(NamedTuple):
    """Scores of one image.

    Attributes:
        example: The image.
        mean_iou: Mean IoU over the classes that occur in this image; NaN if all of it is void.
        pixel_accuracy: Share of its pixels labeled correctly; NaN if all of it is void.
        digest: Digests of what was scored; None if they were not computed.
        counts: Its confusion matrix; None if it was not kept.
        mistake: The largest mistake in it; None if there is none.
    """

    example: Example
    mean_iou: float
    pixel_accuracy: float = math.nan
    digest: ExampleDigest | None = None
    counts: ImageCounts | None = None
    mistake: Mistake | None = None


class Evaluation(NamedTuple):
    """Scores of a net on a split.

    Attributes:
        scores: Of the whole split, from one confusion matrix.
        matrix: `int64[C, C]`: pixels; rows true, columns predicted.
        images: Each image by itself, in the order of the split.
        views: The views of each image that were averaged over.
        boundary: Boundary IoU; None if it was not asked for.
        loss: Mean over the images of the loss of each; NaN if it was not asked for, or not computed.
        class_images: `int64[C]`, number of images with a pixel of each class in their label; None if it was
            not counted.
        calibration: Of its probabilities without temperatures; None if it was not asked for.
        tempered: Of the probabilities of a calibrated net, with its temperatures; None of others.
    """

    scores: Scores
    matrix: Matrix
    images: tuple[ImageScore, ...]
    views: Views = PLAIN
    boundary: BoundaryScores | None = None
    loss: float = math.nan
    class_images: npt.NDArray[np.int64] | None = None
    calibration: Calibration | None = None
    tempered: Calibration | None = None

    def __str__(self) -> str:
        """Returns the scores of the whole split as a short table."""
        return text_table(self._rows())

    def _repr_html_(self) -> str:
        """Returns the same for notebooks."""
        return html_table(self._rows())

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Prints the table in IPython, in place of all that is in it."""
        printer.text(str(self))

    def _rows(self) -> list[tuple[str, str]]:
        """Returns the names of the scores and their values, with a title."""
        names = ("mean_iou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou")
        rows = [(name.replace("_", " ").replace("iou", "IoU"), getattr(self.scores, name)) for name in names]
        return [
            ("", counted(len(self.images), "image")),
            *((name, percent(value)) for name, value in rows),
        ]

    def draw_scores(self) -> ScoreDraws:
        """Returns the scores of many draws of the images, for intervals.

        Raises:
            ValueError: If the confusion matrices of the images were not kept.
        """
        counts = [image.counts for image in self.images if image.counts is not None]
        if len(counts) < len(self.images):
            raise ValueError("Expected images with counts. Received: some without.")
        return ScoreDraws(counts, len(self.matrix))


def scores_document(
    evaluation: Evaluation,
    class_names: Sequence[str],
    root: Path,
    split: str,
    training: TrainingSplit | None = None,
    warnings: Sequence[str] = (),
    draws: ScoreDraws | None = None,
) -> dict[str, Any]:
    """Returns the content of `scores.json`: the scores, what was scored, and what the net was trained on.

    Args:
        evaluation: The scores.
        class_names: The names of the classes.
        root: The data set.
        split: Name of the split that was scored.
        training: What the net was trained on; None if that is not known.
        warnings: Why the scores may be too good, and what could not be checked, a sentence each.
        draws: Scores of many draws of the images, for intervals of 95%; None to leave these out.
    """
    document = evaluation.scores.as_dict(class_names)
    document |= evaluation.boundary.as_dict(class_names) if evaluation.boundary else {}
    document |= {"calibration": evaluation.calibration.as_dict(class_names)} if evaluation.calibration else {}
    if evaluation.tempered:
        document |= {"calibration_with_temperatures": evaluation.tempered.as_dict(class_names)}
    document |= {"intervals": draws.as_dict(class_names)} if draws else {}
    document |= {
        "split": split,
        "num_images": len(evaluation.images),
        "data": str(root),
        "training": training and training_document(training),
    }
    document |= {"warnings": list(warnings)} if warnings else {}
    views = evaluation.views
    return document | ({} if views.are_plain else {"testing": views._asdict() | {"scales": [*views.scales]}})
