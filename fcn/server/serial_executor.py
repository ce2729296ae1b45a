"""Work beside the event loop."""

from collections.abc import Callable
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread

_T = TypeVar("_T")


class SerialExecutor:
    """Where the documents of a protocol are read and written: one at a time, beside the event loop.

    Reading JSON keeps Python's lock, so that two at a time would not be faster; one at a time they take the
    memory of one.
    """

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(1)

    async def run(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Runs a function and returns what it returns."""
        return await to_thread.run_sync(function, *arguments, limiter=self._limiter)
