"""The confusion matrix as a heat map that is an HTML table, and what is mistaken most often in words."""

import math
from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from fcn.evaluation.metrics import Matrix
from fcn.report.class_table import percent

MOST_CLASSES = 60
"""Of more classes, the rarest are shown as one, so that the page stays small."""

_MOST_NUMBERED = 25
_MOST_MISTAKES = 8
# Pixels of the screen: as wide as the page where there are many classes, and cells that can be told apart.
_WIDTH, _SMALLEST_CELL, _LARGEST_CELL = 860, 13, 56


def confusion_map(matrix: Matrix, class_names: Sequence[str]) -> str:
    """Returns HTML with the heat map and the most frequent mistakes.

    Args:
        matrix: `int64[C, C]`: pixels; rows true, columns predicted.
        class_names: The names of the classes, in the order of their ids.
    """
    heading = "<h2>Confusion</h2>\n"
    if not matrix.any():
        return f'{heading}<div class="panel"><p class="soft">No labeled pixel.</p></div>\n'
    matrix, names = group_rarest(matrix, class_names)
    columns = "".join(f'<th scope="col">{_name(name)}</th>' for name in names)
    rows = "".join(_row(index, names, counts) for index, counts in enumerate(matrix))
    cell = min(max(_WIDTH // len(names) - 1, _SMALLEST_CELL), _LARGEST_CELL)
    dense = "" if len(names) <= _MOST_NUMBERED else " dense"
    return (
        f'{heading}<div class="panel"><p class="soft">Rows are true classes, columns what the net says, '
        "numbers percent of the pixels of the true class: a row adds up to 100. Blue is right, red is wrong; "
        "colors grow with the square root, so that small shares show. Point at a cell for its value.</p>\n"
        '<div class="confusion">\n'
        '<div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix">\n'
        f'<table class="matrix{dense}" style="--cell:{cell}px">\n'
        f'<thead><tr><td class="soft">true ↓ predicted →</td>{columns}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody></table></div>\n{_mistakes(matrix, names)}</div></div>\n"
    )


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


def _row(index: int, names: list[str], counts: npt.NDArray[np.int64]) -> str:
    """Returns a row of the table.

    Args:
        index: Which class is the true one.
        names: Of all classes.
        counts: `int64[C]`: pixels of that class, by predicted class.
    """
    heading = f'<tr><th scope="row">{_name(names[index])}</th>'
    total = int(counts.sum())
    if not total:
        return f'{heading}<td class="none" colspan="{len(names)}">no labeled pixel</td></tr>\n'
    cells = "".join(
        _cell(f"{names[index]} → {name}", count / total, "hit" if column == index else "", len(names))
        for column, (name, count) in enumerate(zip(names, counts.tolist(), strict=True))
    )
    return f"{heading}{cells}</tr>\n"


def _cell(pair: str, share: float, kind: str, num_classes: int) -> str:
    attributes = f' class="{kind}"' if kind else ""
    if not share:  # most cells of a large matrix: nothing to show, and not a byte to spend on it
        return f"<td{attributes}></td>"
    number = f"{100 * share:.0f}" if share >= 0.005 and num_classes <= _MOST_NUMBERED else ""
    strength = f"{math.sqrt(share):.2f}"
    return f'<td{attributes} style="--a:{strength}" title="{escape(pair)}: {percent(share)}">{number}</td>'


def _name(name: str) -> str:
    return f'<span title="{escape(name)}">{escape(name)}</span>'


def _mistakes(matrix: Matrix, names: list[str]) -> str:
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_MISTAKES]
    pairs = [(int(index) // len(names), int(index) % len(names)) for index in order]
    items = "".join(
        f"<li>{escape(names[true])} → {escape(names[predicted])} "
        f'<span class="soft">{percent(wrong[true, predicted] / matrix[true].sum())} of its pixels, '
        f"{percent(wrong[true, predicted] / matrix.sum())} of all</span></li>\n"
        for true, predicted in pairs
        if wrong[true, predicted]
    )
    listed = f"<ol>\n{items}</ol>" if items else '<p class="soft">None.</p>'
    return f"<div><h3>Most pixels mistaken</h3>\n{listed}</div>\n"
