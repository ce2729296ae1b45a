"""Something of which there is only so much, shared in the order in which it is asked for."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Budget:
    """An amount that the tasks of one event loop share, first come, first served.

    Args:
        total: How much there is. Who asks for more gets all of it, alone.
    """

    def __init__(self, total: int) -> None:
        self._total = self._left = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def taken(self, amount: int) -> AsyncIterator[None]:
        """Waits until there is so much, takes it, and gives it back when the block ends."""
        amount = min(amount, self._total)
        await self._take(amount)
        try:
            yield
        finally:
            self._give(amount)

    async def _take(self, amount: int) -> None:
        if not self._waiting and amount <= self._left:
            self._left -= amount
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((amount, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given in the moment it was no longer wanted
                self._give(amount)
            else:
                with suppress(ValueError):  # it was passed over already
                    self._waiting.remove((amount, turn))
                self._hand_out()
            raise

    def _give(self, amount: int) -> None:
        self._left += amount
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._left:
            amount, turn = self._waiting.popleft()
            self._left -= amount
            if turn.cancelled():
                self._left += amount
            else:
                turn.set_result(None)
