"""Memory of the engines of a server: weights of all that are loaded, and maps of the one that computes."""

import math
import threading
import time
from pathlib import Path

from fcn.errors import RunError
from fcn.inference.engines.engine import BoundedEngine
from fcn.inference.footprint import Footprint, footprint
from fcn.inference.tiling.memory import RESERVED_GIGABYTES
from fcn.server.batcher import Batcher


class NotEnoughMemoryError(RunError):
    """Error of a model that does not fit beside those that are loaded."""


class EngineMemory:
    """Memory that the engines of all models share.

    What a process with one engine needs besides maps is reserved, which includes the largest weights. The
    weights of further engines take from the memory for maps. Only one engine computes at a time
    (`fcn.server.engine_turns`), so that each may have what is left.

    Args:
        gigabytes: Memory limit of the whole server.
        other_bytes: The part of it that other processes of the server take.
    """

    def __init__(self, gigabytes: float, other_bytes: int = 0) -> None:
        self._gigabytes = gigabytes
        self._reserved_bytes = RESERVED_GIGABYTES * 1e9 + other_bytes
        self._changed = threading.Lock()
        self._shares: list[EngineShare] = []

    def reserve(self, model: Path) -> "EngineShare":
        """Reserves memory for a model before it is loaded; the other engines get less for maps.

        Args:
            model: A version, run folder or `.keras` file.

        Raises:
            NotEnoughMemoryError: If it does not fit beside the models that are loaded.
            RunError: If it cannot be read.
        """
        share = EngineShare(self, model, footprint(model))
        with self._changed:
            self._check([*self._shares, share], model)
            self._shares.append(share)
            self._set_limits()
        return share

    def finish_large(self, seconds: float) -> None:
        """Waits for the images that engines label in windows of an earlier limit, but not for longer."""
        with self._changed:
            batchers = [share.batcher for share in self._shares if share.batcher is not None]
        until = time.monotonic() + seconds
        for batcher in batchers:
            batcher.finish_large(until - time.monotonic())

    def attach(self, share: "EngineShare", engine: object, batcher: Batcher) -> None:
        """Gives an engine its memory for maps, now and whenever that changes; `EngineShare` calls it."""
        with self._changed:
            share.batcher = batcher
            if isinstance(engine, BoundedEngine):
                share.engine = engine
                share.footprint = share.footprint._replace(map_bytes=engine.least_map_bytes)
                self._check(self._shares, share.model)
            self._set_limits()

    def free(self, share: "EngineShare") -> None:
        """Gives the memory of a model to the others; `EngineShare` calls it."""
        with self._changed:
            if share in self._shares:
                self._shares.remove(share)
                self._set_limits()

    def _set_limits(self) -> None:
        map_bytes = int(self._gigabytes * 1e9 - self._reserved_bytes - _further_weights(self._shares))
        for share in self._shares:
            if share.engine is not None:
                share.engine.limit(max(map_bytes, share.engine.least_map_bytes))

    def _check(self, shares: "list[EngineShare]", model: Path) -> None:
        """Checks that models fit, one of which is new."""
        least_maps = max(share.footprint.map_bytes for share in shares)
        needed = (self._reserved_bytes + _further_weights(shares) + least_maps) / 1e9
        rounded = math.ceil(100 * needed) / 100
        if len(shares) > 1 and needed > self._gigabytes:
            raise NotEnoughMemoryError(
                f"{model}: needs --memory {rounded:.2f} beside what is loaded. Received: "
                f"{self._gigabytes:g}. Allow more, or serve fewer models."
            )


class EngineShare:
    """Memory of one model.

    Args:
        memory: The memory of all.
        model: Path of the model.
        footprint: What it takes.

    Attributes:
        model: Path of the model.
        footprint: What it takes.
        engine: Its engine, once it is loaded.
        batcher: The queue of the engine.
    """

    def __init__(self, memory: EngineMemory, model: Path, footprint: Footprint) -> None:
        self._memory, self.model, self.footprint = memory, model, footprint
        self.engine: BoundedEngine | None = None
        self.batcher: Batcher | None = None

    def attach(self, engine: object, batcher: Batcher) -> None:
        """Gives an engine its memory for maps, now and whenever that changes.

        Raises:
            NotEnoughMemoryError: If its smallest window does not fit.
        """
        self._memory.attach(self, engine, batcher)

    def free(self) -> None:
        """Gives the memory to the others."""
        self._memory.free(self)


def _further_weights(shares: list[EngineShare]) -> int:
    """Returns the weights of all models but the largest, which is in what is reserved."""
    weights = [share.footprint.weight_bytes for share in shares]
    return sum(weights) - max(weights, default=0)
