"""Resources of a request that functions in threads may use for longer than the request lasts."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from typing import Any, Self, TypeVar

_T = TypeVar("_T")


class KeptResources:
    """Resources that are released when a block has ended, and the functions that it ran in threads too.

    A function in a thread cannot be stopped. If its request is answered or given up before it has ended, what
    it uses stays reserved for it.

    Args:
        threads: Threads that run the functions.
        outer: Resources of a block around this one; they are kept for its functions too.
    """

    def __init__(self, threads: Executor, outer: "KeptResources | None" = None) -> None:
        self._threads, self._outer = threads, outer
        self._stack = AsyncExitStack()
        self._running: list[Future[Any]] = []
        self._closing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        running = [function for function in self._running if not (function.cancel() or function.done())]
        if running:
            self._closing = asyncio.create_task(self._close_after(running))
        else:
            await self._stack.aclose()

    def enter(self, resource: AbstractContextManager[_T]) -> _T:
        """Acquires a resource."""
        return self._stack.enter_context(resource)

    async def acquire(self, resource: AbstractAsyncContextManager[_T]) -> _T:
        """Waits for a resource, and acquires it."""
        return await self._stack.enter_async_context(resource)

    async def run(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Runs a function that keeps a core busy, such as encoding an image, in a thread."""
        running = self._threads.submit(function, *arguments)
        block: KeptResources | None = self
        while block is not None:
            block._running.append(running)
            block = block._outer
        return await asyncio.wrap_future(running)

    async def _close_after(self, running: list[Future[Any]]) -> None:
        try:
            await asyncio.gather(*map(asyncio.wrap_future, running), return_exceptions=True)
        finally:
            await self._stack.aclose()
