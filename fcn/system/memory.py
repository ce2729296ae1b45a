"""Memory of this machine and of its processes."""

import re
import sys
from pathlib import Path

_MACHINE = Path("/proc/meminfo")


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
    """Returns how much memory further processes can take; None where that is unknown."""
    try:
        found = re.search(r"MemAvailable:\s*(\d+) kB", _MACHINE.read_text(encoding="utf-8"))
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _peak_elsewhere() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
