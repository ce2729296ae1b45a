"""Tables of scores and agreements on the terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fcn.pages.percent import percent
from fcn.system.text import counted

if TYPE_CHECKING:
    from fcn.evaluation.evaluate import Evaluation
    from fcn.exports.verification import Verification


def print_scores(evaluation: "Evaluation", class_names: Sequence[str], title: str) -> None:
    """Prints the scores of a split and of each class as tables."""
    from rich import box
    from rich.table import Table

    from fcn.system.console import TerminalConsole

    scores = evaluation.scores
    images = counted(len(evaluation.images), "image")
    table = Table(title=f"{title}, {images}", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("score")
    table.add_column("value", justify="right")
    names = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou")
    rows = [[name.replace("_", " ").replace("iou", "IoU"), percent(getattr(scores, name))] for name in names]
    classes = [scores.class_iou.tolist()]
    if evaluation.boundary is not None:
        table.add_column("at boundaries", justify="right")
        rows[names.index("mean_iou")].append(percent(evaluation.boundary.mean_boundary_iou))
        classes.append(evaluation.boundary.class_boundary_iou.tolist())
    for row in rows:
        table.add_row(*row)
    table.add_section()
    for name, *ious in zip(class_names, *classes, strict=True):
        table.add_row(f"IoU of {name}", *map(percent, ious))
    TerminalConsole().print(table)


def print_verification(verification: "Verification") -> None:
    """Prints how often each format of an export labels pixels as the net does, as a table."""
    from rich import box
    from rich.table import Table

    from fcn.system.console import TerminalConsole

    table = Table(
        title=f"Agreement with the net's own labels, {counted(verification.num_images, 'image')}",
        box=box.SIMPLE_HEAD,
        title_justify="left",
    )
    table.add_column("format")
    for column in ("agreement", "required", "worst"):
        table.add_column(column, justify="right")
    table.add_column("worst image")
    for one in verification.comparisons:
        required = percent(one.expected) if one.is_required else "none"
        agreement, worst = percent(one.agreement, 4), percent(one.worst_agreement, 4)
        table.add_row(one.name, agreement, required, worst, one.worst_image)
    TerminalConsole().print(table)
