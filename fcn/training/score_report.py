"""The scores of each validation on the terminal: what changed, and how they compare with doing nothing.

Two baselines show whether a net has learned anything. The commonest class everywhere is computed from the
validation labels, and costs nothing. So are the scores before the first step of a net with new score layers,
which are zero: it labels every pixel as class 0. A net that starts with trained score layers is scored before
its first step, but only on `SAMPLE` images of the validation split, so that a training does not begin with a
whole validation; the number of images is printed beside these scores.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.evaluation.evaluate import evaluate_examples
from fcn.evaluation.evaluation import Evaluation
from fcn.evaluation.metrics import Matrix, Scores
from fcn.pages.percent import percent
from fcn.report.pictures import spread
from fcn.runs.log import read_log
from fcn.system.notebook import NotebookTable
from fcn.system.text import counted, in_notebook, print_notice
from fcn.training import devices
from fcn.training.session import Session
from fcn.training.step_callback import StepCallback

SAMPLE = 20
"""Most images that are scored before the first step."""

_COLUMNS = ("step", "mean IoU", "points", "pixel accuracy", "validation loss", "classes since the last")
_MOST_CLASSES = 3
# A smaller change of a class's IoU is not worth a line.
_LEAST_CHANGE = 0.005


class Validation(NamedTuple):
    """The scores that those of the next validation are compared with.

    Attributes:
        mean_iou: From 0 to 1.
        pixel_accuracy: From 0 to 1.
        loss: Validation loss; NaN if it is not known.
        class_iou: `float64[C]`, NaN for an absent class; None if it is not known.
    """

    mean_iou: float
    pixel_accuracy: float
    loss: float = math.nan
    class_iou: npt.NDArray[np.float64] | None = None

    @classmethod
    def of(cls, evaluation: Evaluation) -> "Validation":
        """Returns the scores of an evaluation."""
        scores = evaluation.scores
        return cls(scores.mean_iou, scores.pixel_accuracy, evaluation.loss, scores.class_iou)


class Baseline(NamedTuple):
    """Scores to compare those of a net with.

    Attributes:
        name: How they are reached.
        mean_iou: From 0 to 1.
        pixel_accuracy: From 0 to 1.
        note: What limits the comparison; empty if nothing does.
    """

    name: str
    mean_iou: float
    pixel_accuracy: float
    note: str = ""


class ScoreReport(StepCallback):
    """Prints the scores of each validation; comes before `CheckpointCallback`, which calls `show`.

    Args:
        session: The training.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._last: Validation | None = None
        self._start: Baseline | None = None
        self._starts_at_zero = False
        self._table: NotebookTable | None = None

    def begin(self, step: int) -> None:
        """Scores a sample before the first step, or reads the last scores of the session before."""
        session, model = self.session, self.session.model
        self._starts_at_zero = session.config.model.weights in ("none", "imagenet")
        if step:
            rows = [row for row in read_log(session.run.log) if row["mean_iou"] and int(row["step"]) <= step]
            if rows:
                last = {name: float(cell or "nan") for name, cell in rows[-1].items()}
                self._last = Validation(last["mean_iou"], last["pixel_accuracy"], last["val_loss"])
            return
        self._starts_at_zero = not model.has_trained_scores()
        if self._starts_at_zero:
            return
        sample = spread(session.val_examples, SAMPLE)
        with devices.undistributed():
            scores = evaluate_examples(session.predictor, sample).scores
        images = f"{len(sample):,} of {counted(len(session.val_examples), 'validation image')}"
        self._start = Baseline("before the first step", scores.mean_iou, scores.pixel_accuracy, images)
        print_notice(
            f"Before the first step: mean IoU {percent(scores.mean_iou)}, pixel accuracy "
            f"{percent(scores.pixel_accuracy)} on {images}."
        )

    def show(self, step: int, evaluation: Evaluation) -> None:
        """Prints the scores of a validation.

        Args:
            step: Updates of the weights so far.
            evaluation: The scores.
        """
        names = self.session.predictor.classes.names
        new = Validation.of(evaluation)
        baselines = constant_baselines(evaluation.matrix, names, self._starts_at_zero)
        baselines += [self._start] if self._start else []
        if in_notebook():
            self._add_row(step, new, baselines, names)
        else:
            lines = [
                f"Step {step:,}: {describe_scores(new, self._last)}; "
                f"{counted(len(evaluation.images), 'image')}."
            ]
            if self._last is not None and self._last.class_iou is not None and new.class_iou is not None:
                lines += describe_classes(new.class_iou, self._last.class_iou, names)
            print_notice(*lines, describe_baselines(baselines))
        self._last = new

    def _add_row(
        self, step: int, new: Validation, baselines: Sequence[Baseline], names: Sequence[str]
    ) -> None:
        """Adds the scores of a validation to the table in a notebook, which begins with the baselines."""
        if self._table is None:
            self._table = NotebookTable(*_COLUMNS)
            for one in baselines:
                name = f"{one.name} ({one.note})" if one.note else one.name.rstrip(",")
                self._table.add(name, percent(one.mean_iou), "", percent(one.pixel_accuracy), "", "")
        last = self._last or Validation(math.nan, math.nan)
        change = 100 * (new.mean_iou - last.mean_iou)
        changed = []
        if last.class_iou is not None and new.class_iou is not None:
            changed = describe_classes(new.class_iou, last.class_iou, names)
        self._table.add(
            f"{step:,}",
            percent(new.mean_iou),
            f"{change:+.2f}" if math.isfinite(change) else "",
            percent(new.pixel_accuracy),
            f"{new.loss:.3f}" if math.isfinite(new.loss) else "",
            "".join(changed).strip(),
        )


def describe_scores(new: Validation, last: Validation | None) -> str:
    """Returns the scores of a validation, with their changes since the last one.

    Args:
        new: The scores.
        last: Those of the validation before; None if this is the first.

    Example:
        >>> describe_scores(Validation(0.3, 0.8, 0.5), Validation(0.25, 0.81, 0.6))
        'mean IoU 30.00% (+5.00 points), pixel accuracy 80.00% (-1.00), loss 0.500 (-0.100)'
        >>> describe_scores(Validation(0.3, 0.8), None)
        'mean IoU 30.00%, pixel accuracy 80.00%'
    """
    before = last or Validation(math.nan, math.nan)
    parts = [
        f"mean IoU {percent(new.mean_iou)}{_change(100 * new.mean_iou, 100 * before.mean_iou, 2, ' points')}",
        f"pixel accuracy {percent(new.pixel_accuracy)}"
        f"{_change(100 * new.pixel_accuracy, 100 * before.pixel_accuracy, 2)}",
    ]
    if math.isfinite(new.loss):
        parts.append(f"loss {new.loss:.3f}{_change(new.loss, before.loss, 3)}")
    return ", ".join(parts)


def _change(new: float, before: float, digits: int, unit: str = "") -> str:
    """Returns a change in brackets, with its sign; empty if one of the numbers is not known."""
    return f" ({new - before:+.{digits}f}{unit})" if math.isfinite(new - before) else ""


def describe_classes(
    new: npt.NDArray[np.float64], last: npt.NDArray[np.float64], names: Sequence[str]
) -> list[str]:
    """Returns a line about the classes with scores that rose and fell most; none if no score changed much.

    Args:
        new: `float64[C]`, IoU of each class; NaN for an absent one.
        last: The same of the validation before.
        names: The names of the classes.

    Example:
        >>> describe_classes(np.array([0.5, 0.1, 0.3]), np.array([0.4, 0.3, 0.3]), ["cat", "dog", "cow"])
        ['  rose most: cat +10.0 to 50.0%; fell most: dog -20.0 to 10.0%']
    """
    change = new - last
    order = [int(index) for index in np.argsort(change, kind="stable") if math.isfinite(change[index])]
    rose = [index for index in reversed(order) if change[index] >= _LEAST_CHANGE][:_MOST_CLASSES]
    fell = [index for index in order if change[index] <= -_LEAST_CHANGE][:_MOST_CLASSES]
    parts = []
    for title, indices in (("rose most", rose), ("fell most", fell)):
        shown = [f"{names[one]} {100 * change[one]:+.1f} to {percent(float(new[one]), 1)}" for one in indices]
        parts += [f"{title}: {', '.join(shown)}"] if shown else []
    return [f"  {'; '.join(parts)}"] if parts else []


def constant_scores(matrix: Matrix, class_id: int) -> Scores:
    """Returns the scores of labeling every pixel as one class.

    Args:
        matrix: `int64[C, C]`, the confusion matrix of any labels of the images; rows are true classes.
        class_id: The class.

    Example:
        >>> constant_scores(np.array([[3, 0], [0, 1]]), 0).mean_iou
        0.375
    """
    constant = np.zeros_like(matrix)
    constant[:, class_id] = matrix.sum(axis=1)
    return Scores.from_matrix(constant)


def constant_baselines(matrix: Matrix, names: Sequence[str], starts_at_zero: bool) -> list[Baseline]:
    """Returns the baselines that label every pixel alike.

    Args:
        matrix: `int64[C, C]`, the confusion matrix of a validation.
        names: The names of the classes.
        starts_at_zero: Whether the net labeled every pixel as class 0 before its first step.
    """
    commonest = int(matrix.sum(axis=1).argmax())
    found = {commonest: f"{names[commonest]} everywhere"}
    if starts_at_zero:
        start = "before the first step"
        found[0] = f"{found[0]}, as {start}," if commonest == 0 else start
    scores = {index: constant_scores(matrix, index) for index in found}
    return [
        Baseline(name, scores[index].mean_iou, scores[index].pixel_accuracy) for index, name in found.items()
    ]


def describe_baselines(baselines: Sequence[Baseline]) -> str:
    """Returns a line with the mean IoU and the pixel accuracy of baselines.

    Example:
        >>> describe_baselines([Baseline("road everywhere", 0.025, 0.3)])
        '  for comparison: road everywhere 2.50% and 30.00%'
    """
    shown = [
        f"{one.name} {percent(one.mean_iou)} and {percent(one.pixel_accuracy)}"
        f"{f' ({one.note})' if one.note else ''}"
        for one in baselines
    ]
    return f"  for comparison: {'; '.join(shown)}"
