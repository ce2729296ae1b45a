"""A semaphore from which tasks acquire any amount, first come, first served."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class WeightedSemaphore:
    """Fair semaphore with weights for the tasks of one event loop.

    Args:
        total: Amount to share. A task that requests more waits for all of it.
    """

    def __init__(self, total: int) -> None:
        self._total = self._available = total
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def acquire(self, amount: int) -> AsyncIterator[None]:
        """Waits for an amount, and releases it when the block ends."""
        amount = min(amount, self._total)
        await self._acquire(amount)
        try:
            yield
        finally:
            self._release(amount)

    async def _acquire(self, amount: int) -> None:
        if not self._waiters and amount <= self._available:
            self._available -= amount
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((amount, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # granted in the moment of cancellation
                self._release(amount)
            else:
                with suppress(ValueError):  # already skipped by _wake_waiting
                    self._waiters.remove((amount, turn))
                self._wake_waiting()
            raise

    def _release(self, amount: int) -> None:
        self._available += amount
        self._wake_waiting()

    def _wake_waiting(self) -> None:
        while self._waiters and self._waiters[0][0] <= self._available:
            amount, turn = self._waiters.popleft()
            self._available -= amount
            if turn.cancelled():
                self._available += amount
            else:
                turn.set_result(None)
