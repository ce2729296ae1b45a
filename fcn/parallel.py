"""Doing the next pieces of work while the present one is used."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(
    function: Callable[[T], R], items: Iterable[T], workers: int = 2, ahead: int = 4
) -> Iterator[R]:
    """Yields `function(item)` in order, computed in threads a few items ahead of the reader.

    Memory does not grow with the number of items: at most `ahead` results wait. An exception of
    `function` is raised where its result would have come.

    Args:
        function: What to do with each item; it runs in another thread.
        items: What to go through.
        workers: Number of threads.
        ahead: How many items to be ahead of the reader.

    Raises:
        ValueError: If `workers` or `ahead` is below 1.

    Example:
        >>> list(map_ahead(str.upper, "abc"))
        ['A', 'B', 'C']
    """
    if workers < 1 or ahead < 1:
        raise ValueError(f"Expected `workers` and `ahead` >= 1. Received: {workers} and {ahead}.")
    remaining = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[R]] = deque(pool.submit(function, item) for item in islice(remaining, ahead))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(function, item) for item in islice(remaining, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
