"""A comparison as one HTML page that opens offline."""

import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fcn.comparison.columns import COLUMNS, memory_note, rung_texts, varied_text
from fcn.comparison.halving import Rung
from fcn.comparison.paired import compare_with_best
from fcn.comparison.result import Comparison, NetResult
from fcn.comparison.timing import ROUNDS, WARM_UP
from fcn.data.image_io import encode_jpeg, encode_label
from fcn.pages.dot_chart import Dot, DotChart, dot_chart
from fcn.pages.percent import percent
from fcn.pages.picture import Picture, embed
from fcn.pages.render import render
from fcn.pages.swatch import Swatch, class_swatches
from fcn.system.results import write_result
from fcn.system.text import counted

_MOST_BESIDE = 5


class _Cell(NamedTuple):
    """A number of a net.

    Attributes:
        text: The number.
        is_best: Whether it is the best of its column.
        versus: How it compares with that of the first net; empty where nothing is compared.
    """

    text: str
    is_best: bool
    versus: str


class _Net(NamedTuple):
    """A row of the table.

    Attributes:
        name: Its name.
        varied: Its values of the keys that vary.
        cells: Its numbers.
    """

    name: str
    varied: list[str]
    cells: list[_Cell]


class _Rungs(NamedTuple):
    """A net in the rungs of a halving.

    Attributes:
        name: Its name.
        cells: Its score in each rung, and whether it was kept.
    """

    name: str
    cells: list[tuple[str, bool]]


class _ClassRow(NamedTuple):
    """A class and its scores.

    Attributes:
        name: Its name.
        color: RGB.
        ious: Of each net, from 0 to 1; NaN where it is absent.
        best: The highest; NaN where all are the same.
    """

    name: str
    color: tuple[int, int, int]
    ious: list[float]
    best: float


class _Image(NamedTuple):
    """An image, its label and what each net predicts."""

    name: str
    pictures: list[Picture]


def write_comparison_page(path: Path, comparison: Comparison, command: str) -> None:
    """Writes the page: the table, a chart, the classes, images side by side, and how all was measured.

    Args:
        path: Where to.
        comparison: The nets and their results.
        command: What was typed.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    plan, nets = comparison.plan, comparison.nets
    page = render(
        "comparison.html",
        name=_title(comparison),
        num_images=len(plan.examples),
        split=plan.split,
        division=plan.division,
        root=plan.root,
        written=datetime.now().astimezone(),
        warnings=[*comparison.warnings, *(f"{name}: {why}" for name, why in comparison.failures.items())],
        varied=plan.varied,
        differences=[one.describe() for one in compare_with_best(nets)],
        rungs=_rungs(comparison.rungs),
        rung_steps=[rung.steps for rung in comparison.rungs],
        titles=[column.title for column in COLUMNS],
        nets=[
            _Net(net.name, [varied_text(net, key) for key in plan.varied], _cells(net, nets)) for net in nets
        ],
        size="{} x {}".format(*comparison.size),
        chart=_chart(comparison),
        classes=_classes(comparison),
        legend=_legend(comparison),
        images=[_image(comparison, index) for index in range(len(comparison.shown))],
        columns=_columns(2 + len(nets)),
        warm_up=WARM_UP,
        rounds=ROUNDS,
        engine=comparison.engine,
        memory_note=memory_note(nets),
        command=command,
        environment=[(key, _as_text(value)) for key, value in comparison.environment.items()],
    )
    write_result(path, page)


def _title(comparison: Comparison) -> str:
    """Returns the names of the nets, or the keys of a grid, whose nets are many."""
    if comparison.plan.varied:
        return f"{counted(len(comparison.nets), 'net')}: {', '.join(comparison.plan.varied)}"
    return " · ".join(net.name for net in comparison.nets)


def _cells(net: NetResult, nets: Sequence[NetResult]) -> list[_Cell]:
    return [
        _Cell(
            column.text(net),
            column.is_best(net, nets),
            "" if net is nets[0] else column.compared(net, nets[0]),
        )
        for column in COLUMNS
    ]


def _rungs(rungs: Sequence[Rung]) -> list[_Rungs]:
    return [
        _Rungs(
            name,
            [(text, name in rung.kept) for rung, text in zip(rungs, rung_texts(rungs, name), strict=True)],
        )
        for name in (rungs[0].scores if rungs else ())
    ]


def _chart(comparison: Comparison) -> DotChart:
    dots = [
        Dot(
            net.name,
            math.nan if net.labeling is None else 1000 * net.labeling.median,
            100 * net.evaluation.scores.mean_iou,
        )
        for net in comparison.nets
    ]
    height, width = comparison.size
    horizontal = f"ms for an image of {height} x {width}, {comparison.engine}"
    return dot_chart(dots, "Mean IoU against time", horizontal, "mean IoU")


def _classes(comparison: Comparison) -> list[_ClassRow]:
    classes, nets = comparison.plan.classes, comparison.nets
    rows = []
    for index, (name, color) in enumerate(zip(classes.names, classes.palette, strict=True)):
        ious = [float(net.evaluation.scores.class_iou[index]) for net in nets]
        known = [iou for iou in ious if not math.isnan(iou)]
        rows.append(_ClassRow(name, color, ious, max(known) if len(set(known)) > 1 else math.nan))
    return rows


def _image(comparison: Comparison, index: int) -> _Image:
    classes, name = comparison.plan.classes, comparison.shown[index]
    first = comparison.nets[0].pictures[index]
    image, label, size = first.image, first.label, first.image.shape
    pictures = [
        embed("image", f"Image {name}", "jpeg", encode_jpeg(image), size),
        embed("label", f"True classes of {name}", "png", encode_label(label, classes), size),
    ]
    for net in comparison.nets:
        scored = next(one for one in net.evaluation.images if one.example.name == name)
        scores = f"mean IoU {percent(scored.mean_iou)}", f"pixel acc. {percent(scored.pixel_accuracy)}"
        content = encode_label(net.pictures[index].prediction, classes)
        alt = f"Classes predicted by {net.name} for {name}"
        pictures.append(embed(net.name, alt, "png", content, size, scores))
    return _Image(name, pictures)


def _columns(count: int) -> int:
    """Returns how many pictures share a row on a wide screen: all, or what nearly fills the rows."""
    return count if count <= _MOST_BESIDE else min((4, 5, 3), key=lambda columns: -count % columns)


def _legend(comparison: Comparison) -> list[Swatch]:
    """Returns the colors of the classes that the pictures show."""
    maps = [pixels for net in comparison.nets for one in net.pictures for pixels in one[1:]]
    present = sorted({int(value) for pixels in maps for value in np.unique(pixels)})
    return class_swatches(comparison.plan.classes, present)


def _as_text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "unknown" if value is None else str(value)
