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
        engine: Engine and precision that were timed, as "tensorflow float32"; empty in files of versions
            that did not write it, like the next.
        image_size: Size of the image that was labeled, as "360x480".
    """

    name: str
    gflop: float
    parameters: int
    milliseconds: float
    untrained_mean_iou: float | None
    mean_iou: float
    engine: str = ""
    image_size: str = ""


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
    write_text(folder / "steps.csv", format_csv(steps))
    write_text(folder / "steps.md", format_markdown(steps))
    dots = [Dot(step.name, step.milliseconds, 100 * step.mean_iou) for step in steps]
    chart = dot_chart(dots, "Mean IoU against time", "; ".join(describe_times(steps)), "mean IoU")
    write_text(folder / "steps.svg", render("dot_chart.svg", chart=chart))


def describe_times(steps: Sequence[SlimStep]) -> list[str]:
    """Returns what the milliseconds are of: a line, or one for each engine and size if there are several.

    Example:
        >>> describe_times([SlimStep("full", 160.0, 4_000_000, 300.0, None, 0.6, "openvino int8", "36x48")])
        ['ms per image of 36x48, openvino int8']
    """
    ways: dict[tuple[str, str], list[str]] = {}
    for step in steps:
        ways.setdefault((step.image_size, step.engine), []).append(step.name)
    lines = []
    for (size, engine), names in ways.items():
        what = f"ms per image of {size}, {engine}" if size else "ms per image"
        lines.append(what if len(ways) == 1 else f"{what} ({', '.join(names)})")
    return lines


def format_csv(steps: Sequence[SlimStep]) -> str:
    """Returns the steps as CSV, a row each; what is not known is empty."""
    rows = [SlimStep._fields, *steps]
    return "".join(",".join("" if one is None else str(one) for one in row) + "\n" for row in rows)


def format_rows(steps: Sequence[SlimStep]) -> list[tuple[str, ...]]:
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


def format_markdown(steps: Sequence[SlimStep]) -> str:
    """Returns the steps as a table in Markdown, a row each, and what the milliseconds are of."""
    rows = [COLUMNS, ["---"] * len(COLUMNS), *format_rows(steps)]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"{table}\n" + "".join(f"{line}\n" for line in describe_times(steps))
