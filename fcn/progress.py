"""One look for everything that takes longer than two seconds."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")


def progress_bar(*columns: TextColumn) -> Progress:
    """Returns a progress bar on stderr, invisible where stderr is not a terminal.

    Args:
        columns: What to show between the count and the time left.
    """
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
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
