"""The IoU of each class as bars, and how much of the labels each class is."""

import math
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from fcn.classes import Classes
from fcn.report.style import css_color

if TYPE_CHECKING:  # imports a backend; a page needs none
    from fcn.evaluation.evaluate import Evaluation

# From more classes on, two tables stand beside each other.
_ONE_TABLE = 24


def class_table(evaluation: "Evaluation", classes: Classes) -> str:
    """Returns HTML with a bar and a number for the IoU of each class."""
    pixels = evaluation.matrix.sum(axis=1)
    shares = pixels / max(1, int(pixels.sum()))
    ious = evaluation.scores.class_iou
    rows = [
        _row(
            f'<span class="named">{swatch(color)}<span>{escape(name)}</span></span>', float(iou), float(share)
        )
        for name, color, iou, share in zip(classes.names, classes.palette, ious, shares, strict=True)
    ]
    half = len(rows) if len(rows) <= _ONE_TABLE else (len(rows) + 1) // 2
    tables = "".join(_table(part) for part in (rows[:half], rows[half:]) if part)
    columns = f'<div class="columns">\n{tables}</div>\n' if half < len(rows) else tables
    absent = (
        '<p class="soft">absent: in no label and in no prediction, so left out of the means.</p>'
        if np.isnan(ious).any()
        else ""
    )
    return f'<h2>Classes</h2>\n<div class="panel">{columns}{absent}</div>\n'


def swatch(color: tuple[int, int, int]) -> str:
    """Returns HTML of a small square in an RGB color."""
    return f'<span class="swatch" style="background:{css_color(color)}"></span>'


def percent(share: float) -> str:
    """Returns a share as HTML.

    Example:
        >>> percent(0.1234), percent(0.0001), percent(0)
        ('12.3%', '&lt; 0.1%', '0.0%')
    """
    return "&lt; 0.1%" if 0 < share < 0.001 else f"{100 * share:.1f}%"


def _table(rows: list[str]) -> str:
    return (
        '<table>\n<thead><tr><th scope="col">class</th>'
        '<th scope="col" colspan="2">IoU<span class="wide">, intersection over union</span></th>'
        '<th scope="col" class="number">labeled pixels</th></tr></thead>\n'
        f"<tbody>\n{''.join(rows)}</tbody></table>\n"
    )


def _row(heading: str, iou: float, share: float) -> str:
    bar = "" if math.isnan(iou) else f'<span><i style="width:{100 * iou:.1f}%"></i></span>'
    text = '<span class="soft">absent</span>' if math.isnan(iou) else f"{iou:.3f}"
    return (
        f'<tr><th scope="row">{heading}</th><td class="bar">{bar}</td>'
        f'<td class="number">{text}</td><td class="number soft">{percent(share)}</td></tr>\n'
    )
