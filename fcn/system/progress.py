"""Progress bars on stderr, and in a notebook in the output of a cell."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from fcn.system.console import TerminalConsole
from fcn.system.notebook import NotebookProgress
from fcn.system.text import in_notebook, print_notice, printable

T = TypeVar("T")

LINE_SECONDS = 30
"""Interval between lines about progress where stderr is not a terminal."""

# One console, so that a bar inside another (scoring, while training) is shown below it.
_CONSOLE = TerminalConsole(stderr=True)


class _DescriptionColumn(ProgressColumn):
    """Column with the activity, which may name a file."""

    def render(self, task: Task) -> Text:
        """Returns the text of the column."""
        return Text(printable(task.description))


def progress_bar(*columns: TextColumn) -> Progress:
    """Returns a progress bar: on stderr, where that is a terminal, or in the output of a notebook's cell.

    Args:
        columns: Columns to show between the count and the time left.
    """
    return _bar(MofNCompleteColumn(), *columns)


def _bar(*columns: ProgressColumn) -> Progress:
    shown = (_DescriptionColumn(), BarColumn(), *columns, TimeRemainingColumn())
    if in_notebook():
        return NotebookProgress(*shown)
    return Progress(
        *shown,
        console=_CONSOLE,
        transient=True,
        disable=not _CONSOLE.is_terminal,
    )


def track(items: Iterable[T], description: str, total: int | None = None, lines: bool = False) -> Iterator[T]:
    """Yields `items` one by one and shows the progress.

    Args:
        items: The items.
        description: The activity, as a present participle.
        total: Number of items, if `items` has no length.
        lines: Whether to print a line every 30 seconds where stderr is not a terminal.

    Example:
        >>> list(track([1, 2], "counting"))
        [1, 2]
    """
    with progress_bar() as bar:
        shown = bar.track(items, total=total, description=description)
        yield from _with_lines(shown, description, total) if lines and bar.disable else shown


def _with_lines(items: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    """Yields `items`, and prints a line every 30 seconds."""
    printed = time.monotonic()
    for count, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - printed >= LINE_SECONDS:
            print_notice(f"{description}: {count:,}{'' if total is None else f' of {total:,}'}")
            printed = now


@contextmanager
def track_bytes(description: str, total: int | None, done: int = 0) -> Iterator[Callable[[int], object]]:
    """Shows the progress of something that is counted in bytes.

    Args:
        description: The activity, as a present participle.
        total: Number of bytes; None if it is not known.
        done: Number of bytes that are there already.

    Yields:
        A function to call with the number of bytes that were added.

    Example:
        >>> with track_bytes("reading", 3) as advance:
        ...     _ = advance(3)
    """
    with _bar(DownloadColumn(), TransferSpeedColumn()) as bar:
        task = bar.add_task(description, total=total, completed=done)
        yield lambda count: bar.advance(task, count)
