"""Tasks that tests time; the timing processes import this file."""

import os
from collections.abc import Callable

import numpy as np


class Quick:
    """A task that needs nothing started."""

    def start(self) -> None:
        pass


class Ones(Quick):
    """Filling some memory."""

    def __init__(self, mebibytes: int) -> None:
        self.mebibytes = mebibytes

    def begin(self) -> Callable[[], object]:
        return lambda: np.ones((self.mebibytes, 2**20), np.uint8).any()


class Raising(Quick):
    """A task that fails when it begins."""

    def begin(self) -> Callable[[], object]:
        raise ValueError("no such thing")


class Dying(Quick):
    """A task that ends its process without a message."""

    def begin(self) -> Callable[[], object]:
        return lambda: os._exit(9)


class Sharing(Ones):
    """A task that only starts if JAX does not take all memory of the GPU."""

    def start(self) -> None:
        if os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE") != "false":
            raise OSError("JAX would take all memory of the GPU")


class Unstartable(Quick):
    """A task that fails when it starts."""

    def start(self) -> None:
        raise OSError("no such backend")

    begin = Quick.start
