"""Memory of the process of the tests."""

from pathlib import Path

import pytest


def anonymous_bytes() -> int:
    """Returns the memory of this process that is no file's; skips the test where the system does not tell."""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc, to see the memory")
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon:")).split()[1])
