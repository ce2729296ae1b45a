"""Tables of scores and agreements on the terminal."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fcn.pages.percent import percent
from fcn.system.text import counted

if TYPE_CHECKING:
    from fcn.evaluation.bootstrap import Interval, ScoreDraws
    from fcn.evaluation.calibrate import CalibrationReport
    from fcn.evaluation.calibration import Calibration
    from fcn.evaluation.evaluation import Evaluation
    from fcn.evaluation.robustness import Robustness
    from fcn.exports.verification import Verification


def print_scores(
    evaluation: "Evaluation", class_names: Sequence[str], title: str, draws: "ScoreDraws | None" = None
) -> None:
    """Prints the scores of a split and of each class as a table.

    Args:
        evaluation: The scores.
        class_names: The names of the classes.
        title: What was scored.
        draws: Scores of many draws of the images, for intervals; None to leave these out.
    """
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
    intervals = None
    if draws is not None:
        table.add_column("95% interval", justify="right")
        from fcn.evaluation.bootstrap import interval

        intervals = [interval(getattr(draws, name)) for name in names], [*map(interval, draws.class_iou.T)]
    for index, row in enumerate(rows):
        row += [""] * (len(classes) + 1 - len(row))
        table.add_row(*row, *([_range(intervals[0][index])] if intervals else []))
    table.add_section()
    for index, (name, *ious) in enumerate(zip(class_names, *classes, strict=True)):
        ends = [_range(intervals[1][index])] if intervals else []
        table.add_row(f"IoU of {name}", *map(percent, ious), *ends)
    TerminalConsole().print(table)


def print_calibration(
    calibration: "Calibration", class_names: Sequence[str], subject: str = "Calibration"
) -> None:
    """Prints how well probabilities agree with accuracy: a reliability diagram as a table, and classes.

    Args:
        calibration: Calibration of a net.
        class_names: The names of the classes.
        subject: What is shown.
    """
    from rich import box
    from rich.table import Table

    from fcn.system.console import TerminalConsole

    total = int(calibration.pixels.sum())
    title = (
        f"{subject}: expected error {percent(calibration.expected_error)} ({len(calibration.pixels)} bins, "
        f"{total:,} pixels), negative log-likelihood {calibration.negative_log_likelihood:.4f}, Brier score "
        f"{calibration.brier:.4f}"
    )
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for column in ("mean confidence", "labeled correctly", "pixels"):
        table.add_column(column, justify="right")
    bins = zip(calibration.pixels, calibration.confidence, calibration.accuracy, strict=True)
    for pixels, confidence, accuracy in bins:
        if pixels:
            table.add_row(percent(confidence), percent(accuracy), percent(pixels / total))
    TerminalConsole().print(table)
    classes = Table(box=box.SIMPLE_HEAD)
    classes.add_column("labeled as")
    classes.add_column("expected error", justify="right")
    for name, error in zip(class_names, calibration.class_expected_error, strict=True):
        classes.add_row(name, percent(error))
    TerminalConsole().print(classes)


def print_calibrating(report: "CalibrationReport") -> None:
    """Prints the temperatures that were fitted to a net, and what they change, as tables."""
    from rich import box
    from rich.table import Table

    from fcn.system.console import TerminalConsole

    before, after = report.before, report.after
    title = (
        f"{counted(report.measured_images, 'image')} of {report.split} that the temperatures were not fitted "
        f"on, {int(before.pixels.sum()):,} pixels"
    )
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("score")
    for column in ("before", "after"):
        table.add_column(column, justify="right")
    table.add_row("expected calibration error", percent(before.expected_error), percent(after.expected_error))
    for name in ("negative_log_likelihood", "brier"):
        values = (f"{getattr(one, name):.4f}" for one in (before, after))
        table.add_row(name.replace("_", " ").replace("brier", "Brier score"), *values)
    TerminalConsole().print(table)
    if len(report.temperatures) == 1:
        return
    classes = Table(box=box.SIMPLE_HEAD)
    classes.add_column("labeled as")
    for column in ("temperature", "expected error before", "after"):
        classes.add_column(column, justify="right")
    errors = before.class_expected_error, after.class_expected_error
    for name, temperature, *ends in zip(report.class_names, report.temperatures, *errors, strict=True):
        classes.add_row(name, f"{temperature:.3f}", *map(percent, ends))
    TerminalConsole().print(classes)


def print_robustness(robustness: "Robustness", mean_iou: float) -> None:
    """Prints the mean IoU on corrupted images as a table.

    Args:
        robustness: The scores.
        mean_iou: That of the images as they are.
    """
    from rich import box
    from rich.table import Table

    from fcn.system.console import TerminalConsole

    title = (
        f"Mean IoU on corrupted images: {percent(robustness.average)} on average, "
        f"{percent(mean_iou)} on the images as they are"
    )
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("corruption")
    for column in ("strength 1", "2", "3", "4", "5", "average"):
        table.add_column(column, justify="right")
    for name, scores in robustness.mean_iou.items():
        table.add_row(name.replace("_", " "), *map(percent, scores), percent(sum(scores) / len(scores)))
    TerminalConsole().print(table)


def _range(ends: "Interval") -> str:
    """Returns an interval of shares in percent.

    Example:
        >>> from fcn.evaluation.bootstrap import Interval
        >>> _range(Interval(0.5, 0.625))
        '50.00 to 62.50%'
    """
    low, high = percent(ends.low), percent(ends.high)
    return low if math.isnan(ends.low) else f"{low.removesuffix('%')} to {high}"


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
