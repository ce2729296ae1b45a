"""The confusion matrix as a heat map, and which classes are confused most often."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.evaluation.metrics import Matrix

MOST_CLASSES = 60
"""Largest number of classes to show; the rarest others are shown as one, so that the page stays small."""

_MOST_NUMBERED = 25
_MOST_MISTAKES = 8
# Pixels of the screen: as wide as the page where there are many classes, and cells that can be told apart.
_WIDTH, _SMALLEST_CELL, _LARGEST_CELL = 860, 13, 56


class Cell(NamedTuple):
    """One cell of the matrix: a true class and a predicted class.

    Attributes:
        predicted: Name of the predicted class.
        share: Share of the pixels of the true class, from 0 to 1.
        strength: Opacity of the color, from 0 to 1.
        number: Text inside; empty where it would not fit or would be 0.
        is_right: Whether the predicted class is the true one.
    """

    predicted: str
    share: float
    strength: str
    number: str
    is_right: bool


class Row(NamedTuple):
    """A true class.

    Attributes:
        name: Its name.
        cells: One for each predicted class; none where no pixel has this label.
    """

    name: str
    cells: list[Cell]


class Mistake(NamedTuple):
    """Two classes that are confused.

    Attributes:
        true: Name of the true class.
        predicted: Name of the predicted class.
        share_of_class: Of the pixels of the true class, from 0 to 1.
        share_of_all: Of all labeled pixels, from 0 to 1.
    """

    true: str
    predicted: str
    share_of_class: float
    share_of_all: float


class ConfusionMap(NamedTuple):
    """A heat map and its most frequent mistakes.

    Attributes:
        names: Of the classes, which are the columns.
        rows: One for each true class; none where no pixel is labeled.
        mistakes: The most frequent first.
        cell: Width of a cell in pixels of the screen.
        dense: Whether there are so many classes that cells hold no numbers.
    """

    names: list[str]
    rows: list[Row]
    mistakes: list[Mistake]
    cell: int
    dense: bool


def confusion_map(matrix: Matrix, class_names: Sequence[str]) -> ConfusionMap:
    """Returns the heat map of a confusion matrix and the most frequent mistakes.

    Args:
        matrix: `int64[C, C]`: pixels; rows true, columns predicted.
        class_names: The names of the classes, in the order of their ids.
    """
    matrix, names = group_rarest(matrix, class_names)
    rows = [_row(index, names, counts) for index, counts in enumerate(matrix)] if matrix.any() else []
    cell = min(max(_WIDTH // len(names) - 1, _SMALLEST_CELL), _LARGEST_CELL)
    return ConfusionMap(names, rows, _mistakes(matrix, names), cell, len(names) > _MOST_NUMBERED)


def group_rarest(matrix: Matrix, class_names: Sequence[str]) -> tuple[Matrix, list[str]]:
    """Returns a confusion matrix of at most `MOST_CLASSES` classes, and their names.

    Args:
        matrix: `int64[C, C]`: pixels; rows true, columns predicted.
        class_names: The names of the classes.

    Returns:
        The same where it is small enough; else the classes with most labeled pixels in their order, and
        behind them all others as one.
    """
    count = len(class_names)
    if count <= MOST_CLASSES:
        return matrix, list(class_names)
    kept = np.sort(np.argsort(-matrix.sum(axis=1), kind="stable")[: MOST_CLASSES - 1])
    place = np.full(count, MOST_CLASSES - 1)
    place[kept] = np.arange(MOST_CLASSES - 1)
    grouped = np.zeros((MOST_CLASSES, MOST_CLASSES), np.int64)
    np.add.at(grouped, (place[:, np.newaxis], place), matrix)
    names = [class_names[index] for index in kept]
    return grouped, [*names, f"{count - len(kept)} others"]


def _row(index: int, names: list[str], counts: npt.NDArray[np.int64]) -> Row:
    """Returns a row of the table.

    Args:
        index: Id of the true class.
        names: Of all classes.
        counts: `int64[C]`: pixels of that class, by predicted class.
    """
    total = int(counts.sum())
    if not total:
        return Row(names[index], [])
    shares = [count / total for count in counts.tolist()]
    numbered = len(names) <= _MOST_NUMBERED
    return Row(
        names[index],
        [
            Cell(
                name,
                share,
                f"{math.sqrt(share):.2f}",
                f"{100 * share:.0f}" if numbered and share >= 0.005 else "",
                column == index,
            )
            for column, (name, share) in enumerate(zip(names, shares, strict=True))
        ],
    )


def _mistakes(matrix: Matrix, names: list[str]) -> list[Mistake]:
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_MISTAKES]
    pairs = [divmod(int(index), len(names)) for index in order]
    return [
        Mistake(
            names[true],
            names[predicted],
            float(wrong[true, predicted] / matrix[true].sum()),
            float(wrong[true, predicted] / matrix.sum()),
        )
        for true, predicted in pairs
        if wrong[true, predicted]
    ]
