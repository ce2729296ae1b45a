"""Computing the next results in threads while the present one is used."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(
    function: Callable[[T], R],
    items: Iterable[T],
    workers: int = 2,
    ahead: int = 4,
    has_room: Callable[[], bool] = lambda: True,
) -> Iterator[R]:
    """Yields `function(item)` in order, computed in threads a few items ahead of the reader.

    Memory does not grow with the number of items: at most `ahead` results wait. An exception of
    `function` is raised where its result would have come.

    Args:
        function: Called with each item, in another thread.
        items: The items, in order.
        workers: Number of threads.
        ahead: Most results that wait for the reader.
        has_room: Returns whether there is room for another item now. If not, the item is taken once nothing
            waits any more, so that one that is too large for the room is computed alone.

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
        waiting: deque[Future[R]] = deque()

        def take() -> None:
            while len(waiting) < ahead and (not waiting or has_room()):
                following = [*islice(remaining, 1)]
                if not following:
                    return
                waiting.append(pool.submit(function, *following))

        try:
            take()
            while waiting:
                waiting[0].result()
                done = [waiting.popleft()]
                if has_room():
                    take()
                # Nothing here keeps the result, which may be large, while the reader has it.
                yield done.pop().result()
                take()
        finally:
            for future in waiting:
                future.cancel()
