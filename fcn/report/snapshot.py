"""An evaluation with everything of it that a page shows, so that the page can be written again at once."""

from html import escape
from typing import TYPE_CHECKING, NamedTuple

from fcn.classes import VOID, Classes
from fcn.report.class_table import swatch
from fcn.report.pictures import choose, pictures_row
from fcn.system.progress import track

if TYPE_CHECKING:  # these import a backend; a page needs none
    from fcn.evaluation.evaluate import Evaluation, ImageScore
    from fcn.inference.predictor import Predictor


class Snapshot(NamedTuple):
    """What a report shows of an evaluation.

    Attributes:
        evaluation: The scores.
        classes: The names and colors of the classes.
        split: Name of the split that was scored.
        weights: Which weights were scored, such as "Best checkpoint".
        pictures: HTML of the best and the worst images.
    """

    evaluation: "Evaluation"
    classes: Classes
    split: str
    weights: str
    pictures: str


def take_snapshot(
    predictor: "Predictor", evaluation: "Evaluation", split: str, weights: str, num_pictures: int = 4
) -> Snapshot:
    """Labels the images to show once more, and returns what a report shows of an evaluation.

    Args:
        predictor: The net that was scored.
        evaluation: Its scores.
        split: Name of the split that was scored.
        weights: Which weights were scored, such as "Best checkpoint" or "Weights after step 2,000".
        num_pictures: How many of the best and how many of the worst images to show.

    Raises:
        DataError: If an image to show cannot be read any more.
    """
    best, worst = choose(evaluation.images, num_pictures)
    rows = [pictures_row(predictor, score) for score in track([*best, *worst], "writing report")]
    parts = _part("Best", best, rows[: len(best)]) + _part("Worst", worst, rows[len(best) :])
    legend = _legend(predictor.classes) if rows else "<p>No scored image to show.</p>"
    pictures = f"<h2>Images</h2>\n{legend}{parts}"
    return Snapshot(evaluation, predictor.classes, split, weights, pictures)


def _part(which: str, scores: list["ImageScore"], rows: list[str]) -> str:
    return f"<h3>{which}, by mean IoU</h3>\n{''.join(rows)}" if scores else ""


def _legend(classes: Classes) -> str:
    colors = dict(zip(classes.names, classes.palette, strict=True))
    red, green, blue = classes.full_palette()[VOID].tolist()
    entries = [*colors.items(), ("void (not scored)", (red, green, blue))]
    items = "".join(f"<li>{swatch(color)}{escape(name)}</li>\n" for name, color in entries)
    difference = "".join(
        f'<li><span class="swatch {kind}"></span>{text}</li>\n'
        for kind, text in (("right", "right"), ("wrong", "wrong"), ("void", "void, not scored"))
    )
    return (
        f'<div class="panel"><ul class="legend" aria-label="Colors of the classes">\n{items}</ul>\n'
        f'<ul class="legend" aria-label="Colors of the difference">'
        f'<li class="soft">difference:</li>\n{difference}</ul></div>\n'
    )
