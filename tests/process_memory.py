"""Memory of the process of the tests."""

import ctypes
from contextlib import suppress
from pathlib import Path

import pytest


def anonymous_bytes() -> int:
    """Returns the memory of this process that is no file's; skips the test where the system does not tell."""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc, to see the memory")
    with suppress(AttributeError, OSError):  # not of every C library
        ctypes.CDLL(None).malloc_trim(0)  # what is free may otherwise stay, after the tests before
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon:")).split()[1])
