"""An inspection as one HTML page that opens offline."""

from pathlib import Path

from fcn.data.image_io import Pixels, encode_jpeg
from fcn.inspection.diagram import diagram_figure, diagrams, explanations
from fcn.inspection.effective import EffectiveField
from fcn.inspection.facts import Inspection
from fcn.inspection.picture import EFFECTIVE_COLOR, THEORETICAL_COLOR, field_picture
from fcn.inspection.text import table_columns, table_rows, total_lines
from fcn.inspection.timing.text import explain_times
from fcn.pages.picture import Picture, embed
from fcn.pages.render import render
from fcn.pages.swatch import Swatch
from fcn.system.files import write_text


def write_inspection_page(
    path: Path, inspection: Inspection, effective: EffectiveField | None, image: Pixels | None, note: str = ""
) -> None:
    """Writes the page: totals, the effective receptive field, the layers, and diagrams.

    Args:
        path: Where to.
        inspection: The net and its layers.
        effective: The pixels that the middle of its output depends on; None where that was not measured.
        image: `uint8[H, W, 3]`, RGB: what to draw it over; None where there is none.
        note: What to know about the effective field.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    picture: Picture | None = None
    place = ""
    if effective is not None and image is not None:
        drawn = field_picture(image, effective, inspection.field)
        description = "Gradient of one element of the output, drawn over the image"
        picture = embed("", description, "jpeg", encode_jpeg(drawn), drawn.shape)
        place = ", ".join(map(str, effective.element))
    theoretical = [] if inspection.field is None else [Swatch("receptive field", THEORETICAL_COLOR)]
    page = render(
        "inspection.html",
        name=inspection.name,
        size=" x ".join(map(str, inspection.size)),
        totals=total_lines(inspection, effective),
        picture=picture,
        place=place,
        note=note,
        frames=[*theoretical, Swatch("95% of the gradient", EFFECTIVE_COLOR)],
        columns=table_columns(inspection),
        rows=table_rows(inspection),
        times=None if inspection.times is None else explain_times(inspection.times),
        diagrams=[diagram_figure(diagram) for diagram in diagrams(inspection)],
        explanations=explanations(inspection),
    )
    write_text(path, page)
