"""Control groups of Linux: a limit of memory for a process and all that it starts."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_ROOTS = ((Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"), (Path("/sys/fs/cgroup"), "memory.max"))
_ENTER = (
    "import os, sys; open(sys.argv[1], 'w').write(str(os.getpid())); os.execv(sys.executable, sys.argv[2:])"
)


@contextmanager
def memory_limit(size: int) -> Iterator[Callable[..., list[object]]]:
    """Yields a function that returns the command for Python with these arguments, within a limit of memory.

    Skips the test where no group can be made.

    Args:
        size: Bytes for all processes together, caches of files among them as far as they cannot be dropped.
    """
    name = f"fcn-test-{os.getpid()}"
    for root, file in _ROOTS:
        group = root / name
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / file).write_text(str(size))
        except OSError:
            group.rmdir()
            continue
        break
    else:
        pytest.skip("needs the right to make control groups of memory")

    def command(*arguments: object) -> list[object]:
        return [sys.executable, "-c", _ENTER, group / "cgroup.procs", sys.executable, *arguments]

    try:
        yield command
    finally:
        group.rmdir()  # all its processes have ended


def most_bytes(command: list[object]) -> int | None:
    """Returns the most memory that the processes of a command took; None if the system does not tell."""
    for name in ("memory.max_usage_in_bytes", "memory.peak"):
        file = Path(str(command[3])).with_name(name)
        if file.exists():
            return int(file.read_text())
    return None
