"""The report of a run: everything to know about it on one HTML page that opens offline."""

import math
from datetime import datetime
from html import escape
from pathlib import Path

import numpy as np

from fcn.classes import VOID, Classes
from fcn.data.image_io import read_file
from fcn.evaluation import Evaluation, ImageScore
from fcn.files import write_text
from fcn.inference.predictor import Predictor
from fcn.progress import track
from fcn.report.curves import line_chart, read_curve
from fcn.report.pictures import choose, pictures_row
from fcn.report.style import STYLE, css_color
from fcn.run import RunFolder

# Nothing may be fetched: the page says so to the browser, whatever the files shown in it contain.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# From so many points on, a loss is easier to read with its moving mean over it.
_NOISY = 40


def write_report(
    run: RunFolder,
    predictor: Predictor,
    evaluation: Evaluation,
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
        DataError: If an image to show cannot be read any more.
        OutputError: If the place cannot be written to or the disk is full.
    """
    name = escape(run.path.resolve().name)
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{name}: report</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{name}</h1>
<p class="soft">{_subtitle(run)}</p>
</header>
<main>
<section>{_scores(evaluation, split)}</section>
<section>{_curves(run)}</section>
<section>{_classes(evaluation, predictor.classes)}</section>
<section>{_pictures(predictor, evaluation, num_pictures)}</section>
<section>{_setup(run)}</section>
</main>
<footer></footer>
</body>
</html>
"""
    write_text(run.report, page)


def _subtitle(run: RunFolder) -> str:
    now = datetime.now().astimezone()
    date = f'<time datetime="{now.isoformat(timespec="seconds")}">{now:%Y-%m-%d %H:%M %Z}</time>'
    if not run.exists():
        return date
    model = run.load_config().model
    return f"{escape(model.net.replace('fcn', 'FCN-'))}, width {model.width:g} · {date}"


def _scores(evaluation: Evaluation, split: str) -> str:
    scores, count = evaluation.scores, len(evaluation.images)
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
        f'<p class="soft">Best checkpoint, on {images} of the split “{escape(split)}”, each at its own size. '
        "Fractions: 1 is perfect. Void pixels are left out.</p>\n"
    )


def _score(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.3f}"


def _curves(run: RunFolder) -> str:
    loss, mean_iou, learning_rate = (
        read_curve(run.log, column) for column in ("loss", "mean_iou", "learning_rate")
    )
    trend = loss.smoothed() if len(loss.steps) >= _NOISY else None
    unit = "cross entropy, nats per labeled pixel"
    charts = (
        line_chart(loss, "Training loss", unit, f"last {loss.last()}", trend),
        line_chart(mean_iou, "Validation mean IoU", "mean IoU, fraction", f"best {mean_iou.highest()}"),
        line_chart(learning_rate, "Learning rate", "learning rate", f"last {learning_rate.last()}"),
    )
    return f'<h2>Training</h2>\n<div class="charts">\n{"".join(charts)}</div>\n'


def _classes(evaluation: Evaluation, classes: Classes) -> str:
    pixels = evaluation.matrix.sum(axis=1)
    shares = pixels / max(1, int(pixels.sum()))
    rows = "".join(
        _class_row(_swatch(color) + escape(name), float(iou), float(share))
        for name, color, iou, share in zip(
            classes.names, classes.palette, evaluation.scores.class_iou, shares, strict=True
        )
    )
    absent = (
        '<p class="soft">absent: in no label and in no prediction, so left out of the means.</p>'
        if np.isnan(evaluation.scores.class_iou).any()
        else ""
    )
    return (
        '<h2>Classes</h2>\n<div class="panel"><table>\n<thead><tr><th scope="col">class</th>'
        '<th scope="col" colspan="2">IoU<span class="wide">, intersection over union</span></th>'
        '<th scope="col" class="number">labeled pixels</th></tr></thead>\n'
        f"<tbody>\n{rows}</tbody></table>{absent}</div>\n"
    )


def _class_row(heading: str, iou: float, share: float) -> str:
    bar = "" if math.isnan(iou) else f'<span><i style="width:{100 * iou:.1f}%"></i></span>'
    text = '<span class="soft">absent</span>' if math.isnan(iou) else f"{iou:.3f}"
    return (
        f'<tr><th scope="row">{heading}</th><td class="bar">{bar}</td>'
        f'<td class="number">{text}</td><td class="number soft">{_percent(share)}</td></tr>\n'
    )


def _percent(share: float) -> str:
    return "&lt; 0.1%" if 0 < share < 0.001 else f"{100 * share:.1f}%"


def _swatch(color: tuple[int, int, int]) -> str:
    return f'<span class="swatch" style="background:{css_color(color)}"></span>'


def _pictures(predictor: Predictor, evaluation: Evaluation, num_pictures: int) -> str:
    best, worst = choose(evaluation.images, num_pictures)
    rows = [pictures_row(predictor, score) for score in track([*best, *worst], "writing report")]
    parts = (
        _pictures_part("Best", best, rows[: len(best)]),
        _pictures_part("Worst", worst, rows[len(best) :]),
    )
    legend = _legend(predictor.classes) if rows else "<p>No scored image to show.</p>"
    return f"<h2>Images</h2>\n{legend}{''.join(parts)}"


def _pictures_part(which: str, scores: list[ImageScore], rows: list[str]) -> str:
    return f"<h3>{which}, by mean IoU</h3>\n{''.join(rows)}" if scores else ""


def _legend(classes: Classes) -> str:
    colors = dict(zip(classes.names, classes.palette, strict=True))
    red, green, blue = classes.full_palette()[VOID].tolist()
    entries = [*colors.items(), ("void (not scored)", (red, green, blue))]
    items = "".join(f"<li>{_swatch(color)}{escape(name)}</li>\n" for name, color in entries)
    difference = "".join(
        f'<li><span class="swatch {kind}"></span>{text}</li>\n'
        for kind, text in (("right", "right"), ("wrong", "wrong"), ("void", "void, not scored"))
    )
    return (
        f'<div class="panel"><ul class="legend" aria-label="Colors of the classes">\n{items}</ul>\n'
        f'<ul class="legend" aria-label="Colors of the difference">'
        f'<li class="soft">difference:</li>\n{difference}</ul></div>\n'
    )


def _setup(run: RunFolder) -> str:
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
