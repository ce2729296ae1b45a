"""The report of a run: everything to know about it on one HTML page that opens offline."""

import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fcn.classes import VOID, Classes
from fcn.config.sections import LossConfig
from fcn.data.class_shares import ClassShares
from fcn.data.image_io import read_file
from fcn.pages.axes import short_number
from fcn.pages.percent import percent
from fcn.pages.render import render
from fcn.pages.swatch import Swatch, class_swatches
from fcn.report.class_table import class_tables, share_tables
from fcn.report.confusion import confusion_map
from fcn.report.curves import LineChart, curve_of, line_chart
from fcn.report.snapshot import Snapshot, take_snapshot
from fcn.runs.log import read_log
from fcn.system.files import write_text

if TYPE_CHECKING:  # these import a backend; a page needs none
    from fcn.evaluation.evaluation import Evaluation
    from fcn.inference.predictor import Predictor
    from fcn.runs.model_file import RunFolder

REFRESH_SECONDS = 30
"""Interval at which browsers reload the page during training."""

# As in the template, now and in earlier versions.
_RELOADS = b'id="reload"', b'http-equiv="refresh"'

# A loss of this many points is easier to read with its moving mean.
_NOISY = 40


class _File(NamedTuple):
    """A text file of a run, to show on the page."""

    title: str
    name: str
    text: str


class Progress(NamedTuple):
    """Progress of a training.

    Attributes:
        step: Steps taken.
        steps: Steps of the whole training.
        seconds_left: Estimate for the remaining steps; None where there is no estimate yet.
        ended: Sentence on why it ended before its last step; None while it runs.
    """

    step: int
    steps: int
    seconds_left: float | None = None
    ended: str | None = None


def write_report(
    run: "RunFolder",
    predictor: "Predictor",
    evaluation: "Evaluation",
    split: str = "val",
    num_pictures: int = 4,
    warnings: Sequence[str] = (),
    shares: ClassShares | None = None,
    health: Sequence[str] = (),
) -> None:
    """Writes `report.html` of a run: scores, curves, classes, the best and the worst images, and the setup.

    Files that the run folder does not have (log, environment) are left out.

    Args:
        run: Where the report goes, and where log, configuration and environment come from.
        predictor: The net that was scored; it labels the images shown once more.
        evaluation: Its scores.
        split: Name of the split that was scored.
        num_pictures: How many of the best and how many of the worst images to show.
        warnings: Why the scores may be too good, and what could not be checked, a sentence each.
        shares: How sampling changes the shares of the classes; None if it does not.
        health: What went wrong in the training, and what to change, a warning each.

    Raises:
        ConfigError: If the run's configuration cannot be read.
        DataError: If the log, or an image to show, can no longer be read.
        OutputError: If the place cannot be written to or the disk is full.
    """
    snapshot = take_snapshot(predictor, evaluation, split, "Best checkpoint", num_pictures, warnings)
    _write(run, None, snapshot, shares, health)


def write_progress_report(
    run: "RunFolder",
    progress: Progress,
    snapshot: Snapshot | None = None,
    shares: ClassShares | None = None,
    health: Sequence[str] = (),
) -> None:
    """Writes `report.html` of an unfinished run: its progress, the curves, the latest scores.

    It labels no image and takes a fraction of a second. Browsers reload the page every
    `REFRESH_SECONDS`, until the training has ended or the reader says otherwise.

    Args:
        run: Where the report goes, and where log, configuration and environment come from.
        progress: Progress of the training.
        snapshot: The latest evaluation; None before the first.
        shares: How sampling changes the shares of the classes; None if it does not.
        health: What goes wrong in the training, and what to change, a warning each.

    Raises:
        ConfigError: If the run's configuration cannot be read.
        DataError: If the log cannot be read.
        OutputError: If the place cannot be written to or the disk is full.
    """
    _write(run, progress, snapshot, shares, health)


def is_finished_report(path: Path) -> bool:
    """Returns whether there is a report of a finished training, which no longer reloads itself."""
    if not path.exists():
        return False
    page = path.read_bytes()
    return not any(mark in page for mark in _RELOADS)


def _write(
    run: "RunFolder",
    progress: Progress | None,
    snapshot: Snapshot | None,
    shares: ClassShares | None,
    health: Sequence[str],
) -> None:
    """Writes the page.

    Args:
        run: Where to.
        progress: Progress of the training; None for a finished one.
        snapshot: The evaluation to show; None before the first.
        shares: The shares to show; None without any.
        health: Warnings of the training.
    """
    left = None if progress is None else progress.seconds_left
    files = (("Configuration", run.config), ("Versions", run.environment))
    page = render(
        "report.html",
        name=run.path.resolve().name,
        net=_net(run),
        written=datetime.now().astimezone(),
        refresh_seconds=REFRESH_SECONDS,
        progress=progress,
        time_left="" if left is None else duration(left),
        snapshot=snapshot,
        health=health,
        charts=_charts(run),
        shares=shares,
        share_tables=[] if shares is None else share_tables(shares),
        files=[_file(title, path) for title, path in files if path.exists()],
        **({} if snapshot is None else _tables(snapshot)),
    )
    write_text(run.report, page)


def _tables(snapshot: Snapshot) -> dict[str, Any]:
    """Returns the values for the sections about classes."""
    evaluation, classes = snapshot.evaluation, snapshot.classes
    return {
        "tables": class_tables(evaluation, classes),
        "any_absent": bool(np.isnan(evaluation.scores.class_iou).any()),
        "confusion": confusion_map(evaluation.matrix, classes.names),
        "legend": _legend(classes),
    }


def _legend(classes: Classes) -> list[Swatch]:
    *named, void = class_swatches(classes, [*range(len(classes.names)), VOID])
    return [*named, void._replace(name="void (not scored)")]


def _net(run: "RunFolder") -> str:
    """Returns the name of the net that the run trains; empty without a configuration."""
    if not run.exists():
        return ""
    model = run.load_config().model
    width = "channels of its own" if model.channels else f"width {model.width:g}"
    return f"{model.net.replace('fcn', 'FCN-')}, {width}"


def duration(seconds: float) -> str:
    """Returns a duration, no more exact than an estimate is: "40 min", "5 h 20 min", "3 d 4 h"."""
    minutes = max(1, math.ceil(seconds / 60))
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def _charts(run: "RunFolder") -> list[LineChart]:
    rows = read_log(run.log)
    loss, val_loss, mean_iou, learning_rate = (
        curve_of(rows, column) for column in ("loss", "val_loss", "mean_iou", "learning_rate")
    )
    trend = loss.thinned().smoothed() if len(loss.steps) >= _NOISY else None
    unit = _loss_unit(run.load_config().loss) if run.exists() else "loss"
    best = mean_iou.highest(percent)
    validation = [line_chart(val_loss, "Validation loss", unit, f"last {val_loss.last()}")]
    return [
        line_chart(loss, "Training loss", unit, f"last {loss.last()}", trend),
        *(validation if len(val_loss.steps) else []),
        line_chart(mean_iou, "Validation mean IoU", "mean IoU", f"best {best}", write=_tick_percent),
        line_chart(learning_rate, "Learning rate", "learning rate", f"last {learning_rate.last()}"),
    ]


def _tick_percent(share: float) -> str:
    """Returns a round share in percent, with the digits that it has."""
    return f"{short_number(100 * share)}%"


def _loss_unit(loss: LossConfig) -> str:
    if loss == LossConfig():
        return "cross entropy, nats per labeled pixel"
    terms = (name if weight == 1 else f"{weight:g} {name}" for name, weight in loss.terms.items())
    return f"{' + '.join(terms).replace('_', ' ')}, {loss.reduction}"


def _file(title: str, path: Path) -> _File:
    return _File(title, path.name, read_file(path).decode(errors="replace").strip())
