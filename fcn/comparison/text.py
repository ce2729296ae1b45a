"""A comparison as a table on a terminal."""

from rich import box
from rich.table import Table
from rich.text import Text

from fcn.comparison.columns import COLUMNS, memory_note, rung_texts, varied_text
from fcn.comparison.paired import compare_with_best
from fcn.comparison.result import Comparison
from fcn.system.console import TerminalConsole

_ENDLESS, _NAME_WIDTH = 10_000, 8
# At most so many columns for sentences, also in a file.
_SENTENCE_WIDTH = 100


def print_comparison(comparison: Comparison) -> None:
    """Prints a row for each net; the best of each column is bold."""
    plan, (height, width) = comparison.plan, comparison.size
    table = Table(
        title=f"{plan.split} of {plan.root}, {len(plan.examples)} images\n"
        f"GFLOP and ms for one image of {height}x{width}",
        box=box.SIMPLE_HEAD,
        title_justify="left",
        padding=0,  # the box has a space between columns; with two, names of 13 letters need a wider terminal
    )
    table.add_column("net", overflow="fold", min_width=_NAME_WIDTH)
    for key in plan.varied:
        table.add_column(key.replace(".", ".\n").replace("_", "_\n"), justify="right", overflow="fold")
    for column in COLUMNS:
        table.add_column(column.heading.replace(" ", "\n"), justify="right", no_wrap=True)
    for net in comparison.nets:
        cells = (
            Text(column.text(net), "bold" if column.is_best(net, comparison.nets) else "")
            for column in COLUMNS
        )
        table.add_row(net.name, *(varied_text(net, key) for key in plan.varied), *cells)
    console = TerminalConsole(highlight=False)
    if not console.is_terminal:  # a file or a pipe has no width, so no name is folded
        console = TerminalConsole(highlight=False, width=_ENDLESS)
    console.print(table)
    if plan.division:
        console.print(plan.division)
    console.print(memory_note(comparison.nets))
    if comparison.rungs:
        console.print(_rungs(comparison))
    for difference in compare_with_best(comparison.nets):
        console.print(difference.describe(), width=_SENTENCE_WIDTH)


def _rungs(comparison: Comparison) -> Table:
    """Returns a row for each net of a halving: its score in each rung, bold where it was kept."""
    table = Table(
        title="Mean IoU in each rung; bold: trained on",
        box=box.SIMPLE_HEAD,
        title_justify="left",
        padding=(0, 1, 0, 0),
    )
    table.add_column("net", overflow="fold", min_width=_NAME_WIDTH)
    for rung in comparison.rungs:
        table.add_column(f"step\n{rung.steps:,}", justify="right", no_wrap=True)
    for name in comparison.rungs[0].scores:
        texts = rung_texts(comparison.rungs, name)
        table.add_row(
            name,
            *(
                Text(text, "bold" if name in rung.kept else "")
                for rung, text in zip(comparison.rungs, texts, strict=True)
            ),
        )
    return table
