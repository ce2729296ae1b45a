"""The results of a training."""

from typing import Any, NamedTuple

from fcn.classes import Classes
from fcn.evaluation.evaluation import Evaluation
from fcn.pages.percent import percent
from fcn.runs.folder import RunFolder
from fcn.runs.lineage import TrainingSplit
from fcn.system.notebook import html_table
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
        rows = self._rows()
        width = max(len(name) for name, _ in rows)
        return "\n".join([self._title(), *(f"{name:<{width}} {value:>7}" for name, value in rows)])

    def _repr_html_(self) -> str:
        """Returns the same as a table for notebooks."""
        return html_table([("", self._title()), *self._rows()])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Prints the table in IPython, in place of all that is in it."""
        printer.text(str(self))

    def _title(self) -> str:
        return printable(
            f"{self.run.path}: best checkpoint on {counted(len(self.evaluation.images), 'image')}"
        )

    def _rows(self) -> list[tuple[str, str]]:
        """Returns the scores and their names."""
        scores = self.evaluation.scores
        names = [f"IoU of {printable(name)}" for name in self.classes.names]
        values = [scores.mean_iou, scores.pixel_accuracy, *map(float, scores.class_iou)]
        return list(zip(["mean IoU", "pixel accuracy", *names], map(percent, values), strict=True))
