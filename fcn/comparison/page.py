"""A comparison as one HTML page that opens offline."""

import math
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from fcn.classes import VOID
from fcn.comparison.chart import Dot, dot_chart
from fcn.comparison.columns import COLUMNS, memory_note, percent
from fcn.comparison.result import Comparison, NetResult
from fcn.comparison.timing import ROUNDS, WARM_UP
from fcn.data.image_io import encode_jpeg, encode_label
from fcn.report.class_table import swatch
from fcn.report.document import html_document
from fcn.report.pictures import picture_figure
from fcn.system.files import write_text

_MOST_BESIDE = 5


def write_comparison_page(path: Path, comparison: Comparison, command: str) -> None:
    """Writes the page: the table, a chart, the classes, images side by side, and how all was measured.

    Args:
        path: Where to.
        comparison: What was found.
        command: What was typed.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    plan = comparison.plan
    now = datetime.now().astimezone()
    subtitle = (
        f"{len(plan.examples):,} images of the split “{escape(plan.split)}” of {escape(str(plan.root))} · "
        f'<time datetime="{now.isoformat(timespec="seconds")}">{now:%Y-%m-%d %H:%M %Z}</time>'
    )
    sections = [
        _table(comparison),
        _chart(comparison),
        _classes(comparison),
        _pictures(comparison),
        _measured(comparison, command),
    ]
    name = " · ".join(net.name for net in comparison.nets)
    write_text(path, html_document(name, "comparison", subtitle, sections))


def _table(comparison: Comparison) -> str:
    nets, first = comparison.nets, comparison.nets[0]
    headings = "".join(f'<th scope="col" class="number">{escape(column.title)}</th>' for column in COLUMNS)
    rows = "".join(
        f'<tr><th scope="row">{escape(net.name)}</th>{_cells(net, nets, first)}</tr>\n' for net in nets
    )
    height, width = comparison.size
    warnings = "".join(f"<p>Warning: {escape(warning)}</p>\n" for warning in comparison.warnings)
    return (
        f'<h2>All nets</h2>\n{warnings}<div class="panel"><div class="scroll" tabindex="0" role="region" '
        f'aria-label="All nets"><table class="nets">\n<thead><tr><th scope="col">net</th>{headings}</tr>'
        f"</thead>\n<tbody>\n{rows}</tbody></table></div>\n"
        '<p class="soft">Bold is best of its column. Small: against the first net, points of percent for '
        f"scores, else how many times as much. GFLOP and ms are of one image of {height} x {width} pixels; "
        "the receptive field is what one pixel of the answer can see.</p></div>\n"
    )


def _cells(net: NetResult, nets: Sequence[NetResult], first: NetResult) -> str:
    cells = ""
    for column in COLUMNS:
        text = escape(column.text(net))
        shown = f"<b>{text}</b>" if column.is_best(net, nets) else text
        versus = "" if net is first else column.compared(net, first)
        small = f"<small>{escape(versus)}</small>" if versus else ""
        cells += f'<td class="number">{shown}{small}</td>'
    return cells


def _chart(comparison: Comparison) -> str:
    dots = [
        Dot(
            net.name,
            math.nan if net.labeling is None else 1000 * net.labeling.median,
            100 * net.evaluation.scores.mean_iou,
        )
        for net in comparison.nets
    ]
    height, width = comparison.size
    horizontal = f"ms for an image of {height} x {width}, {escape(comparison.engine)}"
    return f"<h2>Score and time</h2>\n{dot_chart(dots, 'Mean IoU against time', horizontal, 'mean IoU, %')}"


def _classes(comparison: Comparison) -> str:
    classes, nets = comparison.plan.classes, comparison.nets
    headings = "".join(f'<th scope="col" class="number">{escape(net.name)}</th>' for net in nets)
    rows = ""
    for index, (name, color) in enumerate(zip(classes.names, classes.palette, strict=True)):
        ious = [float(net.evaluation.scores.class_iou[index]) for net in nets]
        known = [iou for iou in ious if not math.isnan(iou)]
        best = max(known) if len(set(known)) > 1 else math.nan
        cells = "".join(
            f'<td class="number">{_iou(iou) if iou != best else f"<b>{_iou(iou)}</b>"}</td>' for iou in ious
        )
        heading = f'<span class="named">{swatch(color)}<span>{escape(name)}</span></span>'
        rows += f'<tr><th scope="row">{heading}</th>{cells}</tr>\n'
    return (
        '<h2>IoU of each class, %</h2>\n<div class="panel"><div class="scroll" tabindex="0" role="region" '
        'aria-label="IoU of each class"><table class="ious">\n'
        f'<thead><tr><th scope="col">class</th>{headings}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>'
        "</div>\n"
    )


def _iou(value: float) -> str:
    return '<span class="soft">absent</span>' if math.isnan(value) else percent(value)


def _pictures(comparison: Comparison) -> str:
    articles = "".join(_article(comparison, index) for index in range(len(comparison.shown)))
    return f"<h2>The same images side by side</h2>\n{_legend(comparison)}{articles}"


def _article(comparison: Comparison, index: int) -> str:
    classes, name = comparison.plan.classes, escape(comparison.shown[index])
    first = comparison.nets[0].pictures[index]
    image, label = first.image, first.label
    figures = [
        picture_figure("photograph", f"Photograph {name}", "jpeg", encode_jpeg(image), image),
        picture_figure("truth", f"True classes of {name}", "png", encode_label(label, classes), image),
    ]
    for net in comparison.nets:
        scored = next(one for one in net.evaluation.images if one.example.name == comparison.shown[index])
        caption = (
            f"<b>{escape(net.name)}</b><br>mean IoU {_iou(scored.mean_iou)}<br>"
            f"pixel acc. {_iou(scored.pixel_accuracy)}"
        )
        data = encode_label(net.pictures[index].prediction, classes)
        alt = f"Labels of {escape(net.name)} for {name}"
        figures.append(picture_figure(caption, alt, "png", data, image))
    grid = f'<div class="pictures" style="--columns: {_columns(len(figures))}">{"".join(figures)}</div>'
    return f"<article><h4>{name}</h4>\n{grid}</article>\n"


def _columns(count: int) -> int:
    """Returns beside how many others a picture stands on a wide screen: all, or rows that are nearly full."""
    return count if count <= _MOST_BESIDE else min((4, 5, 3), key=lambda columns: -count % columns)


def _legend(comparison: Comparison) -> str:
    """Returns which class has which color, of the classes that the pictures show."""
    classes = comparison.plan.classes
    maps = [pixels for net in comparison.nets for one in net.pictures for pixels in one[1:]]
    present = sorted({int(value) for pixels in maps for value in np.unique(pixels)})
    palette = classes.full_palette().tolist()
    names = dict(enumerate(classes.names)) | {VOID: "void"}
    items = "".join(f"<li>{swatch((*palette[value],))}{escape(names[value])}</li>" for value in present)
    return f'<div class="panel"><ul class="legend">{items}</ul></div>\n'


def _measured(comparison: Comparison, command: str) -> str:
    environment: dict[str, Any] = comparison.environment
    facts = "".join(
        f'<tr><th scope="row">{escape(key)}</th><td>{escape(_said(value))}</td></tr>\n'
        for key, value in environment.items()
    )
    return (
        '<h2>How this was measured</h2>\n<div class="panel">'
        "<p>Scores: every image of the split at its own size, one confusion matrix over all of them, void "
        "pixels left out. Boundary IoU (Cheng et al., CVPR 2021) counts the pixels near where a class ends. "
        "Below the pictures stand the scores of that image alone.</p>\n"
        f"<p>Times: each net in a process of its own; they take turns. {WARM_UP} times each to warm up, then "
        f"the median of up to {ROUNDS}. An image is labeled alone, from pixels to classes, by "
        f"{escape(comparison.engine)}. A step is one update of the weights with the batch and crop of the "
        "training, without reading data.</p>\n"
        f"<p>{memory_note(comparison.nets)} Of a GPU's own memory it says nothing. GFLOP: two operations for "
        "each multiply-add of a kernel.</p>\n"
        "<p>Training minutes are those of the log, with the scoring meanwhile, on whatever ran the training."
        f'</p>\n</div>\n<details><summary>Command</summary>\n<pre tabindex="0">{escape(command)}</pre>'
        f"</details>\n<details><summary>Hardware and versions</summary>\n<table>\n{facts}</table></details>\n"
    )


def _said(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "unknown" if value is None else str(value)
