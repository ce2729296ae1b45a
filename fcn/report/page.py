"""The report of a run: everything to know about it on one HTML page that opens offline."""

import math
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fcn.config.sections import LossConfig
from fcn.data.image_io import read_file
from fcn.report.class_table import class_table
from fcn.report.confusion import confusion_map
from fcn.report.curves import curve_of, line_chart
from fcn.report.document import html_document
from fcn.report.snapshot import Snapshot, take_snapshot
from fcn.runs.log import read_log
from fcn.system.files import write_text

if TYPE_CHECKING:  # these import a backend; a page needs none
    from fcn.evaluation.evaluate import Evaluation
    from fcn.inference.predictor import Predictor
    from fcn.runs.model_file import RunFolder

REFRESH_SECONDS = 30
"""How often a browser opens the page again while the net is trained."""

# From so many points on, a loss is easier to read with its moving mean over it.
_NOISY = 40


class Progress(NamedTuple):
    """How far a training is.

    Attributes:
        step: Steps taken.
        steps: Steps to take in all.
        seconds_left: How long the others will take; None where nobody can tell yet.
        ended: Why it ended before its last step, for people; None while it goes on.
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
) -> None:
    """Writes `report.html` of a run: scores, curves, classes, the best and the worst images, the set-up.

    What the run folder does not hold (log, environment) is left out.

    Args:
        run: Where the report goes, and where log, configuration and environment come from.
        predictor: The net that was scored; it labels the images shown once more.
        evaluation: Its scores.
        split: Name of the split that was scored.
        num_pictures: How many of the best and how many of the worst images to show.

    Raises:
        ConfigError: If the run's configuration cannot be read.
        DataError: If the log, or an image to show, cannot be read any more.
        OutputError: If the place cannot be written to or the disk is full.
    """
    _write(run, "", "", take_snapshot(predictor, evaluation, split, "Best checkpoint", num_pictures))


def write_progress_report(run: "RunFolder", progress: Progress, snapshot: Snapshot | None = None) -> None:
    """Writes `report.html` of a run that is not over: how far it is, the curves, the latest scores.

    It labels no image and takes a fraction of a second. Browsers open the page again every
    `REFRESH_SECONDS`, until it says that the training ended.

    Args:
        run: Where the report goes, and where log, configuration and environment come from.
        progress: How far the training is.
        snapshot: Of the latest evaluation; None before the first.

    Raises:
        ConfigError: If the run's configuration cannot be read.
        DataError: If the log cannot be read.
        OutputError: If the place cannot be written to or the disk is full.
    """
    refresh = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">\n' if progress.ended is None else ""
    _write(run, refresh, _status(progress), snapshot)


def _write(run: "RunFolder", refresh: str, status: str, snapshot: Snapshot | None) -> None:
    """Writes the page.

    Args:
        run: Where to.
        refresh: What makes browsers open it again, HTML; empty for a page that stays.
        status: How far the training is, HTML; empty where it is over.
        snapshot: What to show of an evaluation.
    """
    name = run.path.resolve().name
    parts = [status, _curves(run), _setup(run)]
    if snapshot is not None:
        classes = snapshot.classes
        parts[1:1] = [_scores(snapshot)]
        parts[-1:-1] = [
            class_table(snapshot.evaluation, classes),
            confusion_map(snapshot.evaluation.matrix, classes.names),
            snapshot.pictures,
        ]
    sections = [part for part in parts if part]
    page = html_document(name, "report", _subtitle(run), sections, refresh)
    write_text(run.report, page)


def _subtitle(run: "RunFolder") -> str:
    now = datetime.now().astimezone()
    date = f'<time datetime="{now.isoformat(timespec="seconds")}">{now:%Y-%m-%d %H:%M:%S %Z}</time>'
    if not run.exists():
        return date
    model = run.load_config().model
    return f"{escape(model.net.replace('fcn', 'FCN-'))}, width {model.width:g} · {date}"


def _status(progress: Progress) -> str:
    step, steps, seconds_left, ended = progress
    where = f"step {step:,} of {steps:,}"
    left = f", {_duration(seconds_left)} left" if seconds_left is not None else ""
    text = f"<b>training: {where}</b>{left}" if ended is None else f"<b>ended at {where}</b>"
    note = (
        f"Written at the time above; this page opens itself again every {REFRESH_SECONDS} seconds. Where "
        "that time stands still for longer than a scoring takes, the training was killed."
        if ended is None
        else escape(ended)
    )
    return (
        f'<div class="panel status"><p>{text}</p>\n<progress value="{step}" max="{steps}" '
        f'aria-label="Steps of the training"></progress>\n<p class="soft">{note}</p></div>\n'
    )


def _duration(seconds: float) -> str:
    """Returns a time to wait, no more exact than it can be known: "40 min", "5 h 20 min", "3 d 4 h"."""
    minutes = max(1, math.ceil(seconds / 60))
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def _scores(snapshot: Snapshot) -> str:
    scores, count = snapshot.evaluation.scores, len(snapshot.evaluation.images)
    cards = "".join(
        f'<div class="{kind}"><dt>{name}</dt><dd>{_score(value)}</dd></div>\n'
        for name, value, kind in (
            ("mean IoU", scores.mean_iou, "main"),
            ("pixel accuracy", scores.pixel_accuracy, ""),
            ("mean accuracy", scores.mean_accuracy, ""),
            ("frequency weighted IoU", scores.frequency_weighted_iou, ""),
        )
    )
    images = f"{count:,} {'image' if count == 1 else 'images'}"
    return (
        f'<h2>Scores</h2>\n<dl class="scores">\n{cards}</dl>\n'
        f'<p class="soft">{escape(snapshot.weights)}, on {images} of the split “{escape(snapshot.split)}”, '
        "each at its own size. Fractions: 1 is perfect. Void pixels are left out.</p>\n"
    )


def _score(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.3f}"


def _curves(run: "RunFolder") -> str:
    rows = read_log(run.log)
    loss, mean_iou, learning_rate = (
        curve_of(rows, column) for column in ("loss", "mean_iou", "learning_rate")
    )
    trend = loss.thinned().smoothed() if len(loss.steps) >= _NOISY else None
    unit = _loss_unit(run.load_config().loss) if run.exists() else "loss"
    charts = (
        line_chart(loss, "Training loss", unit, f"last {loss.last()}", trend),
        line_chart(mean_iou, "Validation mean IoU", "mean IoU, fraction", f"best {mean_iou.highest()}"),
        line_chart(learning_rate, "Learning rate", "learning rate", f"last {learning_rate.last()}"),
    )
    return f'<h2>Training</h2>\n<div class="charts">\n{"".join(charts)}</div>\n'


def _loss_unit(loss: LossConfig) -> str:
    if loss == LossConfig():
        return "cross entropy, nats per labeled pixel"
    terms = (name if weight == 1 else f"{weight:g} {name}" for name, weight in loss.terms.items())
    return f"{' + '.join(terms).replace('_', ' ')}, {loss.reduction}"


def _setup(run: "RunFolder") -> str:
    parts = _file("Configuration", run.config) + _file("Versions", run.environment)
    return f"<h2>Set-up</h2>\n{parts}" if parts else ""


def _file(title: str, path: Path) -> str:
    if not path.exists():
        return ""
    text = escape(read_file(path).decode(errors="replace").strip())
    return (
        f'<details><summary>{title} <span class="soft">{path.name}</span></summary>\n'
        f'<pre tabindex="0">{text}</pre></details>\n'
    )
