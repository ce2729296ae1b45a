"""An inspection as a table, for terminals and pages."""

from collections.abc import Sequence

from rich import box
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table

from fcn.inspection.diagram import diagrams, explanations
from fcn.inspection.document import plain, shared
from fcn.inspection.effective import EffectiveField
from fcn.inspection.facts import Inspection, LayerFacts
from fcn.inspection.timing.text import time_cells, time_lines
from fcn.system.console import TerminalConsole
from fcn.system.text import printable

COLUMNS = ("layer", "kind", "output", "stride", "field", "offset", "parameters", "GFLOP", "MB")
"""The columns of the table; those after the second hold numbers."""

TIME_COLUMNS = ("ms", "of peak")
"""Further columns where the layers were timed."""

_UNKNOWN = "?"
_LONGEST_LINE = 72
_PIPED_WIDTH = 160
_ENDLESS = TerminalConsole(width=10_000)
_LEAST_NEEDED = ("kind", "MB", "offset", "stride")
"""Columns that are left out on a narrow terminal, in this order."""


def table_columns(inspection: Inspection) -> tuple[str, ...]:
    """Returns the columns of the table of a net."""
    return COLUMNS if inspection.times is None else (*COLUMNS, *TIME_COLUMNS)


def table_rows(inspection: Inspection) -> list[tuple[str, ...]]:
    """Returns a row of text for each layer, in the order of its columns."""
    times = inspection.times
    rows = [_row(layer) for layer in inspection.layers]
    if times is None:
        return rows
    return [
        (*row, *time_cells(times, layer.name)) for row, layer in zip(rows, inspection.layers, strict=True)
    ]


def total_lines(inspection: Inspection, effective: EffectiveField | None = None) -> list[tuple[str, str]]:
    """Returns the totals of all layers: names and values."""
    gflop, seen = f"{inspection.gflop:,.4g}", _field(inspection.layers[-1])
    if inspection.uncounted:
        gflop += f", without {', '.join(map(printable, inspection.uncounted))}"
    lines = [
        ("parameters", f"{inspection.parameters:,}"),
        ("GFLOP for an image", gflop),
        ("maps, all", f"{_megabytes(inspection.activation_bytes)} MB"),
        ("maps, at one time", f"{_megabytes(inspection.peak_bytes)} MB"),
        ("receptive field", "unknown" if seen == _UNKNOWN else f"{seen} pixels"),
    ]
    if inspection.context_field is not None:
        lines.append(("field of the context module", f"{inspection.context_field} scores"))
    if effective is not None:
        lines.append(("95% of the gradient within", f"{effective.most:,} pixels"))
        lines.append(("50% of the gradient within", f"{effective.half:,} pixels"))
    return lines if inspection.times is None else [*lines, *time_lines(inspection.times, inspection.gflop)]


def print_inspection(inspection: Inspection, effective: EffectiveField | None = None) -> None:
    """Prints the table, the totals, and the inputs that reach an output of transposed and dilated layers."""
    size = "x".join(map(str, inspection.size))
    console = TerminalConsole()
    if not console.is_terminal:  # a file or a pipe has no width
        console = TerminalConsole(width=_PIPED_WIDTH)
    console.print(f"{printable(inspection.name)}, one image of {size}", highlight=False)
    left_out = 0
    columns = table_columns(inspection)
    table = _table(inspection, columns)
    while Measurement.get(_ENDLESS, _ENDLESS.options, table).maximum > console.width:
        if left_out == len(_LEAST_NEEDED):
            break
        left_out += 1
        table = _table(inspection, [name for name in columns if name not in _LEAST_NEEDED[:left_out]])
    console.print(table)
    if left_out:
        names = ", ".join(_LEAST_NEEDED[:left_out])
        console.print(f"  A wider terminal also shows: {names}.\n", highlight=False)
    lines = total_lines(inspection, effective)
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        console.print(f"  {name:{width}}  {value}", highlight=False)
    found = diagrams(inspection)
    if found:
        console.print("\n  Inputs (●) that reach one output, along an axis:", highlight=False)
        for text in explanations(inspection):
            console.print(Padding(text, (0, 0, 0, 2), expand=False), highlight=False)
    for diagram in found:
        line = diagram.line()
        shown = line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…"
        console.print(f"\n  {diagram.title}: {', '.join(map(printable, diagram.layers))}", highlight=False)
        console.print(f"    {shown}  {diagram.note}", highlight=False)


def _table(inspection: Inspection, columns: Sequence[str]) -> Table:
    """Returns the table with some of its columns."""
    names = table_columns(inspection)
    shown = [index for index, column in enumerate(names) if column in columns]
    table = Table(box=box.SIMPLE_HEAD)
    for index in shown:
        table.add_column(names[index], justify="left" if index < 2 else "right", no_wrap=index != 1)
    for row in table_rows(inspection):
        table.add_row(*(row[index] for index in shown))
    return table


def _row(layer: LayerFacts) -> tuple[str, ...]:
    fields = layer.fields
    gflop = _UNKNOWN if layer.gflop is None else f"{layer.gflop:.4g}" if layer.gflop else ""
    return (
        layer.name,
        layer.kind,
        "x".join(map(str, layer.output_shape[1:])),
        _UNKNOWN if fields is None else _sizes([plain(field.stride) for field in fields]),
        _field(layer),
        _UNKNOWN if fields is None else _sizes([field.first for field in fields]),
        f"{layer.parameters:,}" if layer.parameters else "",
        gflop,
        _megabytes(layer.activation_bytes),
    )


def _field(layer: LayerFacts) -> str:
    return _UNKNOWN if layer.fields is None else _sizes([field.size for field in layer.fields])


def _sizes(values: Sequence[int | float]) -> str:
    found = shared(values)
    return "x".join(f"{value:g}" for value in (found if isinstance(found, list) else [found]))


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f}"
