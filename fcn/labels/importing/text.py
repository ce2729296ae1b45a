"""Describes what an import writes."""

from fcn.classes import VOID
from fcn.labels.importing.importer import Plan
from fcn.labels.importing.recognition import READERS
from fcn.pages.swatch import css_color
from fcn.system.text import counted

_NAME_WIDTH = 24


def describe_plan(plan: Plan) -> list[str]:
    """Returns the lines about a plan: the source, each of its classes and what becomes of it, and notes."""
    return [
        title(plan),
        *(
            f"{source:{_NAME_WIDTH}} {class_id:>5}  {name:{_NAME_WIDTH}} {color:7} {pixels:>14} {share:>8} "
            f"{images:>7}"
            for source, class_id, name, color, pixels, share, images in class_rows(plan)
        ),
        *notes(plan),
    ]


def title(plan: Plan) -> str:
    """Returns the line that names the source and its form."""
    sources = ", ".join(map(str, plan.sources))
    return f"{sources}: {READERS[plan.form].title}, {counted(len(plan.names), 'image')}."


def notes(plan: Plan) -> list[str]:
    """Returns the lines about what an import changes or leaves out."""
    return [f"Note: {note}." for note in plan.notes]


def class_rows(plan: Plan) -> list[tuple[str, ...]]:
    """Returns the rows of a table of the classes of the source, the titles of its columns first."""
    rows: list[tuple[str, ...]] = [("source", "class", "name", "color", "pixels", "share", "images")]
    for row in plan.choice.rows:
        pixels = plan.tally.pixels[row.key]
        chosen = ("", "(void)", "")
        if row.class_id != VOID:
            classes = plan.choice.classes
            chosen = (
                str(row.class_id),
                classes.names[row.class_id],
                css_color(classes.palette[row.class_id]),
            )
        share = f"{100 * pixels / plan.tally.total:.2f} %"
        rows.append((row.name, *chosen, f"{pixels:,}", share, str(plan.tally.images[row.key])))
    return rows
