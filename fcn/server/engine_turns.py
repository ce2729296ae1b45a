"""Turns of the engines: of all that are loaded, one computes at a time."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fcn.inference.engines.engine import BoundedEngine, Engine


class EngineTurns:
    """Turns of the engines of all models of a server, first come, first served.

    An engine uses all cores by itself, and there is memory for the maps of one. What engines keep of it for
    their next images, they give back when another engine needs it.

    Args:
        limit_seconds: An engine that computes for longer is taken to hang, and the others go on without it.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._changed = threading.Condition()
        self._waiting: deque[Turn] = deque()
        self._current: Turn | None = None
        self._kept: dict[BoundedEngine, int] = {}

    @contextmanager
    def take(self, engine: Engine | None) -> "Iterator[Turn]":
        """Waits until an engine may compute, and yields its turn, which ends with the block.

        Args:
            engine: The engine; None if no engine may compute in the block.
        """
        turn = Turn(engine, self._make_room)
        with self._changed:
            self._waiting.append(turn)
            while not self._may_start(turn):
                self._changed.wait(None if self._current is None else self._seconds_left(self._current))
            self._current, turn.since = self._waiting.popleft(), time.monotonic()
            self._changed.notify_all()  # the others wait for this one now, but not for ever
        try:
            yield turn
        finally:
            with self._changed:
                if self._current is turn:
                    self._current = None
                self._changed.notify_all()

    def release_beyond_limit(self) -> None:
        """Waits for the engine that computes; then all give back what they keep, if that exceeds a limit."""
        with self.take(None):
            with self._changed:
                limit = min((engine.map_bytes for engine in self._kept), default=0)
                kept = [*self._kept] if sum(self._kept.values()) > limit else []
                for engine in kept:
                    del self._kept[engine]
            for engine in kept:
                engine.release()

    def forget(self, engine: Engine) -> None:
        """Forgets an engine that is unloaded."""
        with self._changed:
            if isinstance(engine, BoundedEngine):
                self._kept.pop(engine, None)

    def _may_start(self, turn: "Turn") -> bool:
        if self._current is not None and self._seconds_left(self._current) <= 0:
            if isinstance(self._current.engine, BoundedEngine):  # it could not give back anything
                self._kept.pop(self._current.engine, None)
            self._current = None
        return self._current is None and self._waiting[0] is turn

    def _seconds_left(self, turn: "Turn") -> float:
        return turn.since + self._limit_seconds - time.monotonic()

    def _make_room(self, engine: BoundedEngine, shape: tuple[int, ...]) -> None:
        """Makes the others give back what they keep if that and the maps of these images are too much."""
        with self._changed:
            needed = max(engine.needed_bytes(shape), self._kept.get(engine, 0))
            others = {other: kept for other, kept in self._kept.items() if other is not engine}
            if sum(others.values()) + needed <= engine.map_bytes:
                others = {}
            for other in others:
                del self._kept[other]
            self._kept[engine] = needed
        for other in others:
            other.release()


class Turn:
    """Turn of an engine.

    Attributes:
        engine: The engine; None for a turn in which none computes.
        since: When it began, in seconds of `time.monotonic`.
    """

    def __init__(
        self, engine: Engine | None, make_room: Callable[[BoundedEngine, tuple[int, ...]], None]
    ) -> None:
        self.engine, self.since = engine, 0.0
        self._make_room = make_room

    def make_room(self, shape: tuple[int, ...]) -> None:
        """Makes the other engines give back what they keep, if images need that memory.

        Args:
            shape: Shape of the images, `[B, H, W, 3]`.
        """
        if isinstance(self.engine, BoundedEngine):
            self._make_room(self.engine, shape)
