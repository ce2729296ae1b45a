"""The steps in which a net became smaller, as tables and as a picture of scores against time."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fcn.errors import RunError
from fcn.pages.dot_chart import Dot, dot_chart
from fcn.pages.percent import percent
from fcn.pages.render import render
from fcn.system.files import write_json, write_text
from fcn.system.json_files import read_json_file

COLUMNS = ("net", "GFLOP", "parameters", "ms per image", "mean IoU untrained", "mean IoU", "points lost")
"""The columns of the tables for people."""

STEPS_FILE = "steps.json"
"""Name of the file that is read again when a series continues."""


class SlimStep(NamedTuple):
    """A net in a series of ever smaller ones.

    Attributes:
        name: "full" of the first, else the name of its run in the folder.
        gflop: Billions of operations for an image.
        parameters: Number of parameters.
        milliseconds: Time to label an image.
        untrained_mean_iou: Score before training on the first images of the validation split; None of the
            first, or if it was not scored.
        mean_iou: Score on the validation split after training.
    """

    name: str
    gflop: float
    parameters: int
    milliseconds: float
    untrained_mean_iou: float | None
    mean_iou: float


def read_steps(folder: Path) -> list[SlimStep]:
    """Returns the steps that were written so far.

    Raises:
        RunError: If they cannot be read.
    """
    path = folder / STEPS_FILE
    if not path.exists():
        return []
    try:
        return [SlimStep(**one) for one in read_json_file(path)["steps"]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(
            f"{path}: cannot be read as steps of fcn slim ({error}). Choose another folder."
        ) from error


def write_steps(folder: Path, steps: Sequence[SlimStep]) -> None:
    """Writes `steps.json`, `steps.csv`, `steps.md` and `steps.svg`.

    Raises:
        OutputError: If the folder cannot be written to or the disk is full.
    """
    # The others can be made from it.
    write_json(folder / STEPS_FILE, {"version": 1, "steps": [step._asdict() for step in steps]})
    write_text(folder / "steps.csv", csv_table(steps))
    write_text(folder / "steps.md", markdown_table(steps))
    dots = [Dot(step.name, step.milliseconds, 100 * step.mean_iou) for step in steps]
    chart = dot_chart(dots, "Mean IoU against time", "ms per image", "mean IoU")
    write_text(folder / "steps.svg", render("dot_chart.svg", chart=chart))


def csv_table(steps: Sequence[SlimStep]) -> str:
    """Returns the steps as CSV, a row each; what is not known is empty."""
    rows = [SlimStep._fields, *steps]
    return "".join(",".join("" if one is None else str(one) for one in row) + "\n" for row in rows)


def table_rows(steps: Sequence[SlimStep]) -> list[tuple[str, ...]]:
    """Returns a row of text for each step, in the order of `COLUMNS`."""
    return [
        (
            step.name,
            f"{step.gflop:.4g}",
            f"{step.parameters:,}",
            f"{step.milliseconds:.1f}",
            "" if step.untrained_mean_iou is None else percent(step.untrained_mean_iou),
            percent(step.mean_iou),
            f"{100 * (steps[0].mean_iou - step.mean_iou):.2f}",
        )
        for step in steps
    ]


def markdown_table(steps: Sequence[SlimStep]) -> str:
    """Returns the steps as a table in Markdown, a row each."""
    rows = [COLUMNS, ["---"] * len(COLUMNS), *table_rows(steps)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
