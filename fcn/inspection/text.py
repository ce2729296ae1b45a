"""An inspection as a table on a terminal and on a page: the same words and numbers."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from fcn.inspection.diagram import diagrams
from fcn.inspection.document import plain, shared
from fcn.inspection.effective import EffectiveField
from fcn.inspection.facts import Inspection, LayerFacts

COLUMNS = ("layer", "kind", "output", "stride", "field", "offset", "parameters", "GFLOP", "MB")
"""The columns of the table; of those behind the second, numbers."""

_UNKNOWN = "?"
_LONGEST_LINE = 72
_PIPED_WIDTH = 160


def table_rows(inspection: Inspection) -> list[tuple[str, ...]]:
    """Returns a row of text for each layer, in the order of `COLUMNS`."""
    return [_row(layer) for layer in inspection.layers]


def total_lines(inspection: Inspection, effective: EffectiveField | None = None) -> list[tuple[str, str]]:
    """Returns what the layers come to: names and values."""
    gflop = f"{inspection.gflop:,.4g}"
    if inspection.uncounted:
        gflop += f", without {', '.join(inspection.uncounted)}"
    lines = [
        ("parameters", f"{inspection.parameters:,}"),
        ("GFLOP for an image", gflop),
        ("maps, all", f"{_megabytes(inspection.activation_bytes)} MB"),
        ("maps, at one time", f"{_megabytes(inspection.peak_bytes)} MB"),
        ("receptive field", _field(inspection.layers[-1])),
    ]
    if effective is not None:
        lines.append(("95% of the gradient within", f"{effective.most:,}"))
        lines.append(("half of it within", f"{effective.half:,}"))
    return lines


def print_inspection(inspection: Inspection, effective: EffectiveField | None = None) -> None:
    """Prints the table, the totals, and which inputs reach an output of transposed and dilated layers."""
    size = "x".join(map(str, inspection.size))
    table = Table(title=f"{inspection.name}, one image of {size}", box=box.SIMPLE_HEAD, title_justify="left")
    for index, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if index < 2 else "right", no_wrap=index != 1)
    for row in table_rows(inspection):
        table.add_row(*row)
    console = Console(markup=False, emoji=False)
    if not console.is_terminal:  # a file or a pipe has no width that a table could be too wide for
        console = Console(markup=False, emoji=False, width=_PIPED_WIDTH)
    console.print(table)
    lines = total_lines(inspection, effective)
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        console.print(f"  {name:{width}}  {value}", highlight=False)
    found = diagrams(inspection)
    if found:
        console.print("\n  Inputs (●) that reach one output, along an axis:", highlight=False)
    for diagram in found:
        line = diagram.line()
        shown = line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…"
        console.print(f"\n  {diagram.title}: {', '.join(diagram.layers)}", highlight=False)
        console.print(f"    {shown}  {diagram.note}", highlight=False)


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
