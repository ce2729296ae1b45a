"""A comparison as a table on a terminal."""

from rich import box
from rich.table import Table
from rich.text import Text

from fcn.comparison.columns import COLUMNS, memory_note
from fcn.comparison.result import Comparison
from fcn.system.console import TerminalConsole

_ENDLESS, _NAME_WIDTH = 10_000, 8


def print_comparison(comparison: Comparison) -> None:
    """Prints a row for each net; the best of each column is bold."""
    plan, (height, width) = comparison.plan, comparison.size
    table = Table(
        title=f"{plan.split} of {plan.root}, {len(plan.examples)} images\n"
        f"GFLOP and ms for one image of {height}x{width}",
        box=box.SIMPLE_HEAD,
        title_justify="left",
        padding=(0, 1, 0, 0),
        collapse_padding=True,
    )
    table.add_column("net", overflow="fold", min_width=_NAME_WIDTH)
    for column in COLUMNS:
        table.add_column(column.heading.replace(" ", "\n"), justify="right", no_wrap=True)
    for net in comparison.nets:
        cells = (
            Text(column.text(net), "bold" if column.is_best(net, comparison.nets) else "")
            for column in COLUMNS
        )
        table.add_row(net.name, *cells)
    console = TerminalConsole(highlight=False)
    if not console.is_terminal:  # a file or a pipe has no width, so no name is folded
        console = TerminalConsole(highlight=False, width=_ENDLESS)
    console.print(table)
    console.print(memory_note(comparison.nets))
