"""Computing the next results in threads while the present one is used."""

import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def available_cores() -> int:
    """Returns how many processor cores this process may use, which can be fewer than the machine has."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def wanted_threads() -> int | None:
    """Returns the number of threads in `OMP_NUM_THREADS`, for libraries that ignore it; None without one."""
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return int(threads) if threads.isdecimal() and int(threads) else None


def cores_wanted() -> float | None:
    """Returns how many cores all programs together could have used in the last minute, on average.

    Returns:
        The system's load; None where it does not tell.
    """
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def map_on_all_cores(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yields `function(item)` in order, computed on all cores that this process may use.

    Memory does not grow with the number of items: each core works on one item, and as many results wait.

    Args:
        function: What to do with each item; it runs in another thread, so it is fast only if it releases
            Python's lock, as reading, decoding and NumPy do. Its results are small.
        items: What to go through.

    Example:
        >>> list(map_on_all_cores(str.upper, "abc"))
        ['A', 'B', 'C']
    """
    # Two at least: while one waits for the disk, the other computes.
    workers = max(2, available_cores())
    return map_ahead(function, items, workers, ahead=2 * workers)


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
    pool = ThreadPoolExecutor(workers)
    return _Results(_compute_ahead(pool, function, iter(items), ahead, has_room), pool)


class _Results(Iterator[R]):
    """The results of `map_ahead`, for whose threads `close` waits.

    Python's garbage collector does not wait: it may run in a thread that is just being started, and that
    holds a lock which every thread needs to end.
    """

    def __init__(self, results: Generator[R, None, None], pool: ThreadPoolExecutor) -> None:
        self._results, self._pool = results, pool

    def __next__(self) -> R:
        return next(self._results)

    def close(self) -> None:
        """Gives up what was not read, and waits for the threads."""
        self._results.close()
        self._pool.shutdown()


def _compute_ahead(
    pool: ThreadPoolExecutor,
    function: Callable[[T], R],
    remaining: Iterator[T],
    ahead: int,
    has_room: Callable[[], bool],
) -> Generator[R, None, None]:
    waiting: deque[Future[R]] = deque()
    waits_for_threads = True

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
    except GeneratorExit:
        waits_for_threads = False
        raise
    finally:
        pool.shutdown(wait=waits_for_threads, cancel_futures=True)
