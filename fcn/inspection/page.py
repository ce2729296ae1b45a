"""An inspection as one HTML page that opens offline."""

import base64
from html import escape
from pathlib import Path

from fcn.data.image_io import Pixels, encode_jpeg
from fcn.inspection.diagram import diagram_figure, diagrams, explanations
from fcn.inspection.effective import EffectiveField
from fcn.inspection.facts import Inspection
from fcn.inspection.picture import EFFECTIVE_COLOR, THEORETICAL_COLOR, field_picture
from fcn.inspection.text import COLUMNS, table_rows, total_lines
from fcn.report.class_table import swatch
from fcn.report.document import html_document
from fcn.system.files import write_text


def write_inspection_page(
    path: Path, inspection: Inspection, effective: EffectiveField | None, image: Pixels | None, note: str = ""
) -> None:
    """Writes the page: totals, what the net looks at, its layers, and diagrams.

    Args:
        path: Where to.
        inspection: The net and its layers.
        effective: What the middle of its answer looks at; None where that was not measured.
        image: `uint8[H, W, 3]`, RGB: what to draw it over; None where there is none.
        note: What to know about the effective field.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    size = " x ".join(map(str, inspection.size))
    sections = [_totals(inspection, effective)]
    if effective is not None and image is not None:
        sections.append(_picture(inspection, effective, image, note))
    sections.append(_table(inspection))
    figures = "".join(diagram_figure(diagram) for diagram in diagrams(inspection))
    if figures:
        gaps = "".join(f'<p class="soft">{escape(text)}</p>\n' for text in explanations(inspection))
        sections.append(
            '<h2>Which inputs reach one output</h2>\n<p class="soft">Each square is a place in the window of '
            f"one output; the filled ones hold an input that reaches it.</p>\n{gaps}"
            f'<div class="charts">\n{figures}</div>\n'
        )
    page = html_document(inspection.name, "inspection", f"one image of {size} pixels", sections)
    write_text(path, page)


def _totals(inspection: Inspection, effective: EffectiveField | None) -> str:
    cards = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>\n"
        for name, value in total_lines(inspection, effective)
    )
    return (
        f'<h2>Totals</h2>\n<dl class="scores">\n{cards}</dl>\n'
        '<p class="soft">Two operations for each multiply-add of a kernel. Maps “at one time” are those that '
        "labeling needs, each until it is last read; training keeps all of them.</p>\n"
    )


def _picture(inspection: Inspection, effective: EffectiveField, image: Pixels, note: str) -> str:
    picture = field_picture(image, effective, inspection.field)
    height, width = picture.shape[:2]
    content = base64.b64encode(encode_jpeg(picture)).decode()
    place = ", ".join(map(str, effective.element))
    where, what = (f"Element ({place}) of the last map", "element") if place else ("The answer", "answer")
    can_see = "" if inspection.field is None else f"<li>{swatch(THEORETICAL_COLOR)}what it can see</li>"
    return (
        '<h2>What the middle of the answer looks at</h2>\n<div class="panel">'
        f'<p class="soft">{where}: the brighter a pixel, the more the '
        f"{what} changes with it (absolute gradient, square root, slightly blurred). {escape(note)}</p>\n"
        f'<figure class="seen"><img src="data:image/jpeg;base64,{content}" alt="Gradient of one element of '
        f'the answer, drawn over the image" width="{width}" height="{height}"></figure>\n'
        f'<ul class="legend">{can_see}<li>{swatch(EFFECTIVE_COLOR)}95% of the gradient</li></ul></div>\n'
    )


def _table(inspection: Inspection) -> str:
    headings = "".join(
        f'<th scope="col"{_class(index)}>{escape(column)}</th>' for index, column in enumerate(COLUMNS)
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td{_class(index)}>{escape(text)}</td>" for index, text in enumerate(row[1:], start=1))
        + "</tr>\n"
        for row in table_rows(inspection)
    )
    return (
        '<h2>Layers</h2>\n<div class="panel"><div class="scroll" tabindex="0" role="region" '
        'aria-label="Layers"><table>\n'
        f"<thead><tr>{headings}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
        '<p class="soft">stride: pixels from one element to the next. field: pixels between the ends of what '
        "an element can see, of the one that sees most. offset: first pixel that element 0 sees; below 0 "
        "lies padding. MB: of the map.</p></div>\n"
    )


def _class(index: int) -> str:
    # What a layer is called tells its kind, where a screen is too narrow for both.
    return ' class="number"' if index > 1 else ' class="wide"' if index == 1 else ""
