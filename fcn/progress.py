"""One look for everything that takes longer than two seconds."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")

# One for all, so that a bar inside another (scoring, while training) finds its place below it.
_CONSOLE = Console(stderr=True)


def progress_bar(*columns: TextColumn) -> Progress:
    """Returns a progress bar on stderr, invisible where stderr is not a terminal.

    Args:
        columns: What to show between the count and the time left.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
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
