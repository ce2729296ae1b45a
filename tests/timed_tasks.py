"""What tests have timed; the processes that do it import this file."""

import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Ones(NamedTuple):
    """Filling some memory."""

    mebibytes: int
    engine: str = "auto"

    def begin(self) -> Callable[[], object]:
        return lambda: np.ones((self.mebibytes, 2**20), np.uint8).sum()


class Raising(NamedTuple):
    """What cannot be begun."""

    engine: str = "auto"

    def begin(self) -> Callable[[], object]:
        raise ValueError("no such thing")


class Dying(NamedTuple):
    """What ends its process without a word."""

    engine: str = "auto"

    def begin(self) -> Callable[[], object]:
        return lambda: os._exit(9)
