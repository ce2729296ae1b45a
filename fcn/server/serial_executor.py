"""Running functions one at a time in a thread."""

from collections.abc import Callable
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread

_T = TypeVar("_T")


class SerialExecutor:
    """Executor that runs one function at a time in a thread, beside the event loop.

    Protocols parse and write JSON with it. Parsing holds Python's global lock, so two at a time would not be
    faster; one at a time needs the memory of one.
    """

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(1)

    async def run(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Runs a function in a thread; returns its result."""
        return await to_thread.run_sync(function, *arguments, limiter=self._limiter)
