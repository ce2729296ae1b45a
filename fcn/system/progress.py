"""One look for everything that takes longer than two seconds."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

T = TypeVar("T")

# One for all, so that a bar inside another (scoring, while training) finds its place below it.
_CONSOLE = Console(stderr=True)


def progress_bar(*columns: TextColumn) -> Progress:
    """Returns a progress bar on stderr, invisible where stderr is not a terminal.

    Args:
        columns: What to show between the count and the time left.
    """
    return _bar(MofNCompleteColumn(), *columns)


def _bar(*columns: ProgressColumn) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=_CONSOLE,
        transient=True,
        disable=not _CONSOLE.is_terminal,
    )


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yields `items` one by one and shows how far it is.

    Args:
        items: What to go through.
        description: What is being done, as a present participle.
        total: How many items there are, where `items` cannot say.

    Example:
        >>> list(track([1, 2], "counting"))
        [1, 2]
    """
    with progress_bar() as bar:
        yield from bar.track(items, total=total, description=description)


@contextmanager
def track_bytes(description: str, total: int | None, done: int = 0) -> Iterator[Callable[[int], object]]:
    """Shows how far something is that is counted in bytes.

    Args:
        description: What is being done, as a present participle.
        total: How many bytes there are; None where nobody knows.
        done: How many of them there are already.

    Yields:
        What to call with the number of bytes that were added.

    Example:
        >>> with track_bytes("reading", 3) as advance:
        ...     _ = advance(3)
    """
    with _bar(DownloadColumn(), TransferSpeedColumn()) as bar:
        task = bar.add_task(description, total=total, completed=done)
        yield lambda count: bar.advance(task, count)
