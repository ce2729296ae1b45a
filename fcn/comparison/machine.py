"""The machine that times were measured on."""

import os
import platform
import re
from pathlib import Path
from typing import Any

from fcn.training import devices

_CPU = Path("/proc/cpuinfo")


def describe_machine() -> dict[str, Any]:
    """Returns hardware and versions, as JSON values."""
    name = platform.processor() or platform.machine()
    if _CPU.exists() and (found := re.search(r"model name\s*: (.+)", _CPU.read_text(encoding="utf-8"))):
        name = found[1]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": name, "cores": cores, "system": platform.system()} | devices.describe()
