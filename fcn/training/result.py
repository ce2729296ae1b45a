"""The results of a training."""

from typing import NamedTuple

from fcn.classes import Classes
from fcn.evaluation.evaluate import Evaluation
from fcn.pages.percent import percent
from fcn.runs.folder import RunFolder
from fcn.runs.lineage import TrainingSplit
from fcn.system.text import counted, printable


class TrainingResult(NamedTuple):
    """The results of a training.

    Attributes:
        run: The folder with everything that was written.
        evaluation: Of the best checkpoint on the validation split.
        classes: The classes that were learned.
        training: What they were learned from. Only in the first of several processes does it include what
            the weights that the training started from were trained on.
        data_wait: Share of the time of all steps that was spent waiting for examples, 0 to 1.
        warnings: Why the scores may be too good, and what could not be checked, a sentence each. Only the
            first of several processes has them.
    """

    run: RunFolder
    evaluation: Evaluation
    classes: Classes
    training: TrainingSplit
    data_wait: float
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Returns the scores as a short table, with the run folder above it."""
        scores, count = self.evaluation.scores, len(self.evaluation.images)
        rows = [
            ("mean IoU", scores.mean_iou),
            ("pixel accuracy", scores.pixel_accuracy),
            *(
                (f"IoU of {name}", iou)
                for name, iou in zip(self.classes.names, scores.class_iou, strict=True)
            ),
        ]
        width = max(len(name) for name, _ in rows)
        title = f"{self.run.path}: best checkpoint on {counted(count, 'image')}"
        return "\n".join(
            [title, *(f"{printable(name):<{width}} {percent(float(value)):>7}" for name, value in rows)]
        )
