"""Python, memory, disk space and the published nets that are kept."""

import os
import platform
import shutil
import sys
from pathlib import Path

from fcn.doctor.finding import Finding
from fcn.doctor.remedies import new_environment
from fcn.system.memory import available_bytes
from fcn.system.remedies import as_started
from fcn.system.text import counted
from fcn.weights.cache import WeightCache
from fcn.weights.catalog import NETS

OLDEST, NEWEST = (3, 11), (3, 13)
"""Versions of Python that this package is made for."""

_LEAST_MEMORY = 4e9
_LEAST_DISK = 2e9
LEAST_LIMIT = 3
"""Gigabytes that `--memory` takes for every full net: `RESERVED_GIGABYTES` and the smallest window.
A number of its own, since importing that file fails where OpenCV is broken."""


def examine_python(version: tuple[int, ...] = tuple(sys.version_info[:2])) -> Finding:
    """Returns whether this is a Python that the package is made for.

    Args:
        version: Its major and minor number.
    """
    text = f"{platform.python_version()} ({sys.executable}) on {platform.system()} {platform.machine()}"
    if OLDEST <= version <= NEWEST:
        return Finding("Python", "good", text)
    expected = " to ".join(".".join(map(str, one)) for one in (OLDEST, NEWEST))
    return Finding("Python", "bad", f"{text}; expected {expected}", new_environment("3.12"))


def examine_memory(available: int | None = None) -> Finding:
    """Returns whether there is memory for images of usual sizes.

    Args:
        available: Bytes that a process can take; None to ask this machine.
    """
    cores = counted(os.cpu_count() or 1, "CPU core")
    available = available_bytes() if available is None else available
    if available is None:
        return Finding("memory", "good", f"unknown on this system; {cores}")
    text = f"{available / 1e9:.1f} GB free; {cores}"
    if available >= _LEAST_MEMORY:
        return Finding("memory", "good", text)
    if available < LEAST_LIMIT * 1e9:
        return Finding("memory", "bad", text, f"Close other programs: labeling takes {LEAST_LIMIT} GB")
    return Finding("memory", "bad", text, f"Close other programs, or label with --memory {LEAST_LIMIT}")


def examine_disk(folder: Path = Path(), free: int | None = None) -> Finding:
    """Returns whether there is space for a run.

    Args:
        folder: Where runs are written.
        free: Bytes that are free there; None to ask.
    """
    free = shutil.disk_usage(folder).free if free is None else free
    text = f"{free / 1e9:.1f} GB free in {folder.absolute()}"
    if free >= _LEAST_DISK:
        return Finding("disk", "good", text)
    return Finding("disk", "bad", f"{text}; a run of a full net takes 2 GB", "Make room, or work elsewhere")


def examine_nets() -> Finding:
    """Returns which published nets are kept here."""
    cache = WeightCache()
    kept = {name: path for name, net in NETS.items() if (path := cache.find(net)) is not None}
    if not kept:
        labeling = as_started("python -m fcn infer")
        text = f"none is kept in {cache.folder}; {labeling} fcn8s-voc downloads one (540 MB)"
        return Finding("published nets", "good", text)
    size = sum(path.stat().st_size for path in {*kept.values()})
    return Finding("published nets", "good", f"{', '.join(kept)} in {cache.folder} ({size / 1e6:,.0f} MB)")
