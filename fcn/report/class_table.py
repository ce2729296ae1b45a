"""Tables of classes: the IoU of each and its share of the labeled pixels, and how sampling changes shares."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from fcn.classes import Classes
from fcn.data.class_shares import ClassShares

if TYPE_CHECKING:  # imports a backend; a page needs none
    from fcn.evaluation.evaluation import Evaluation

Row = TypeVar("Row")

# More classes are shown in two tables side by side.
_ONE_TABLE = 24


class ClassRow(NamedTuple):
    """A class in the table.

    Attributes:
        name: Its name.
        color: RGB.
        iou: From 0 to 1; NaN for a class in no label and no prediction.
        share: Its part of the labeled pixels, from 0 to 1.
        images: Number of scored images that show it; None if it is not known.
    """

    name: str
    color: tuple[int, int, int]
    iou: float
    share: float
    images: int | None


def class_tables(evaluation: "Evaluation", classes: Classes) -> list[list[ClassRow]]:
    """Returns the rows of one table, or of two where there are many classes."""
    pixels = evaluation.matrix.sum(axis=1)
    shares = (pixels / max(1, int(pixels.sum()))).tolist()
    ious = evaluation.scores.class_iou.tolist()
    counted = evaluation.class_images
    images = [None] * len(ious) if counted is None else counted.tolist()
    columns = zip(classes.names, classes.palette, ious, shares, images, strict=True)
    return _halved([ClassRow(*row) for row in columns])


class ShareRow(NamedTuple):
    """A class in the table of shares.

    Attributes:
        name: Its name.
        color: RGB.
        split: Its part of the labeled pixels of the training split, from 0 to 1.
        drawn: Its part of the labeled pixels of drawn examples, from 0 to 1.
        ratio: Of `drawn` to `split`; NaN for a class without a pixel.
    """

    name: str
    color: tuple[int, int, int]
    split: float
    drawn: float
    ratio: float


def share_tables(shares: ClassShares) -> list[list[ShareRow]]:
    """Returns the rows of one table, or of two where there are many classes."""
    classes = shares.classes
    columns = zip(classes.names, classes.palette, shares.split.tolist(), shares.drawn.tolist(), strict=True)
    return _halved(
        [
            ShareRow(name, color, split, drawn, drawn / split if split else math.nan)
            for name, color, split, drawn in columns
        ]
    )


def _halved(rows: Sequence[Row]) -> list[list[Row]]:
    half = (len(rows) + 1) // 2
    return [[*rows]] if len(rows) <= _ONE_TABLE else [[*rows[:half]], [*rows[half:]]]
