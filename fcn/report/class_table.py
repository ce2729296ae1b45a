"""The IoU of each class, and its share of the labeled pixels."""

from typing import TYPE_CHECKING, NamedTuple

from fcn.classes import Classes

if TYPE_CHECKING:  # imports a backend; a page needs none
    from fcn.evaluation.evaluate import Evaluation

# More classes are shown in two tables side by side.
_ONE_TABLE = 24


class ClassRow(NamedTuple):
    """A class in the table.

    Attributes:
        name: Its name.
        color: RGB.
        iou: From 0 to 1; NaN for a class in no label and no prediction.
        share: Its part of the labeled pixels, from 0 to 1.
    """

    name: str
    color: tuple[int, int, int]
    iou: float
    share: float


def class_tables(evaluation: "Evaluation", classes: Classes) -> list[list[ClassRow]]:
    """Returns the rows of one table, or of two where there are many classes."""
    pixels = evaluation.matrix.sum(axis=1)
    shares = (pixels / max(1, int(pixels.sum()))).tolist()
    ious = evaluation.scores.class_iou.tolist()
    columns = zip(classes.names, classes.palette, ious, shares, strict=True)
    rows = [ClassRow(*row) for row in columns]
    half = (len(rows) + 1) // 2
    return [rows] if len(rows) <= _ONE_TABLE else [rows[:half], rows[half:]]
