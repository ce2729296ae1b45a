"""Memory of the process of the tests."""

import ctypes
from contextlib import suppress
from pathlib import Path

import pytest

_STARVED = """
import resource, sys
from fcn.system.backend import start_backend
start_backend()
import numpy as np
from fcn.inference.engines.choose import open_engine

{opening}
small = np.zeros((1, 64, 64, 3), np.uint8)
engine.label(small)
with open("/proc/self/statm") as file:
    taken = int(file.read().split()[0]) * resource.getpagesize()
_, most = resource.getrlimit(resource.RLIMIT_AS)
# Enough to compile a model again: the allocator reserves 64 MB of addresses for each new thread.
resource.setrlimit(resource.RLIMIT_AS, (taken + 2**28, most))
try:
    engine.label(np.zeros((1, 5000, 5000, 3), np.uint8))
except MemoryError:
    print("too large")
print(engine.label({again}).label.shape)
"""


def starved_program(opening: str, again: str = "small") -> str:
    """Returns a program whose engine runs out of memory between two small images.

    Args:
        opening: Code that opens `engine`.
        again: The small image that is labeled after that.
    """
    return _STARVED.format(opening=opening, again=again)


def anonymous_bytes() -> int:
    """Returns the memory of this process that is no file's; skips the test where the system does not tell."""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc, to see the memory")
    with suppress(AttributeError, OSError):  # not of every C library
        ctypes.CDLL(None).malloc_trim(0)  # what is free may otherwise stay, after the tests before
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon:")).split()[1])
