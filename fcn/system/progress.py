"""Progress bars on stderr, and in a notebook in the output of a cell."""

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from datetime import datetime, timedelta
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
        if lines and bar.disable:
            yield from _with_lines(items, description, total)
        else:
            yield from bar.track(items, total=total, description=description)


def _with_lines(items: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    """Yields `items`, and prints lines about the progress."""
    shown = _Lines(description, len(items) if total is None and isinstance(items, Sized) else total)
    for item in items:
        yield item
        shown.advance(1)


class _Lines:
    """Lines about progress, one every 30 seconds.

    Args:
        description: The activity, as a present participle.
        total: Number of items; None if it is not known.
        count_left: Returns how many are left, where others work on them too; None to count what is added.
    """

    def __init__(
        self, description: str, total: int | None, count_left: Callable[[], int] | None = None
    ) -> None:
        self._description, self._total, self._count = description, total, 0
        self._count_left = count_left
        self._began = self._printed = time.monotonic()

    def advance(self, count: int) -> None:
        """Adds items, and prints a line when it is time to."""
        self._count += count
        now = time.monotonic()
        if now - self._printed < LINE_SECONDS:
            return
        self._printed = now
        if self._total is not None and self._count_left is not None:
            self._count = max(0, self._total - self._count_left())
        took, clock = now - self._began, datetime.now().astimezone()
        print_notice(describe_count(self._description, self._count, self._total, took, clock))


def describe_count(description: str, count: int, total: int | None, seconds: float, now: datetime) -> str:
    """Returns a line about how much of something is done, and when it ends if it stays as fast.

    Args:
        description: The activity, as a present participle.
        count: Number of items that are done.
        total: Number of items; None if it is not known.
        seconds: How long they took.
        now: The time in the zone of the reader.

    Example:
        >>> now = datetime(2026, 12, 24, 14, 30)
        >>> describe_count("labeling", 1_000, 5_000, 60, now), describe_count("searching", 9, None, 60, now)
        ('labeling: 1,000 of 5,000, ends about 14:34', 'searching: 9')
    """
    if total is None:
        return f"{description}: {count:,}"
    text = f"{description}: {count:,} of {total:,}"
    if not 0 < count < total:
        return text
    return f"{text}, ends about {clock_time((total - count) * seconds / count, now)}"


def clock_time(seconds: float, now: datetime) -> str:
    """Returns the time on the clock after some seconds, with the day where it is another one.

    Args:
        seconds: From now.
        now: The time in the zone of the reader.

    Example:
        >>> now = datetime(2026, 12, 24, 23, 30)
        >>> clock_time(60, now), clock_time(3600, now), clock_time(10 * 86_400, now)
        ('23:31', 'Fri 00:30', '2027-01-03 23:30')
    """
    end = now + timedelta(seconds=seconds)
    if end.date() == now.date():
        return f"{end:%H:%M}"
    return f"{end:%a %H:%M}" if end - now < timedelta(days=6) else f"{end:%Y-%m-%d %H:%M}"


@contextmanager
def track_count(
    description: str, total: int, count_left: Callable[[], int] | None = None
) -> Iterator[Callable[[int], object]]:
    """Shows the progress of something that is counted: a bar, or a line every 30 seconds without a terminal.

    Args:
        description: The activity, as a present participle.
        total: Number of items.
        count_left: Returns how many are left, for a line where others work on them too; None to count what
            is added.

    Yields:
        A function to call with the number of items that were added.

    Example:
        >>> with track_count("labeling", 3) as advance:
        ...     _ = advance(3)
    """
    with progress_bar() as bar:
        if bar.disable:
            yield _Lines(description, total, count_left).advance
        else:
            task = bar.add_task(description, total=total)
            yield lambda count: bar.advance(task, count)


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
