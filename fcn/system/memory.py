"""Memory of this machine and of its processes."""

import re
import subprocess
import sys
from pathlib import Path

from fcn.system import windows_memory
from fcn.system.memory_limit import bytes_below_limit

_MACHINE = Path("/proc/meminfo")
_MACOS_PROGRAM = Path("/usr/bin/vm_stat")
_MACOS_SECONDS = 5
_MACOS_FREE = ("free", "inactive", "speculative")
"""Pages that further processes get without waiting for a disk: unused ones, and caches."""


def peak_bytes(process: int | str = "self") -> int | None:
    """Returns the peak memory of a process; None if it has ended, or of another one where Linux is missing.

    On Linux `ru_maxrss` starts with the peak of the parent process, so it is used on other systems only.

    Args:
        process: Its id, or "self".
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return _peak_elsewhere() if process == "self" else None
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    return int(found[1]) * 1024 if found else None  # a process that has ended but was not waited for has none


def available_bytes() -> int | None:
    """Returns how much memory further processes can take, in a container below its limit; None if unknown."""
    try:
        found = re.search(r"MemAvailable:\s*(\d+) kB", _MACHINE.read_text(encoding="utf-8"))
    except OSError:
        return _available_elsewhere()
    left = bytes_below_limit()
    known = [*([int(found[1]) * 1024] if found else []), *([] if left is None else [left])]
    return min(known, default=None)


def _available_elsewhere() -> int | None:
    if sys.platform == "win32":
        return windows_memory.available_bytes()
    try:
        done = subprocess.run([_MACOS_PROGRAM], capture_output=True, timeout=_MACOS_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    text = done.stdout.decode(errors="replace")
    page = re.search(r"page size of (\d+) bytes", text)
    counts = [re.search(rf"^Pages {name}:\s*(\d+)\.", text, re.MULTILINE) for name in _MACOS_FREE]
    if page is None or None in counts:
        return None
    return int(page[1]) * sum(int(count[1]) for count in counts if count)


def _peak_elsewhere() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return windows_memory.peak_bytes()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
