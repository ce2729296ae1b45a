"""The machine on which a number was measured."""

import os
import platform
from pathlib import Path

WORTH_NAMING = ("avx512f", "avx512_bf16", "avx512_fp16", "avx512_vnni", "amx_bf16", "amx_int8", "amx_tile")
"""Instructions that decide how fast a CPU multiplies matrices, as Linux calls them."""


def describe_cpu() -> str:
    """Returns the CPU's name, how many cores this process may use, and which instructions it has."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    pairs = (line.partition(":") for line in text.splitlines())
    fields = {key.strip(): value.strip() for key, _, value in pairs}
    flags = set(fields.get("flags", "").split())
    found = [name for name in WORTH_NAMING if name in flags]
    name = fields.get("model name", platform.processor() or platform.machine())
    place = ", ".join(f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields)
    return (
        f"{name} ({place or 'unknown model'}), {len(os.sched_getaffinity(0))} cores, "
        f"{', '.join(found) or 'none of ' + ', '.join(WORTH_NAMING)}"
    )


def describe_load() -> str:
    """Returns the load averages, which show whether other jobs ran during a measurement."""
    return "load average {:.1f}, {:.1f}, {:.1f} over 1, 5, 15 minutes".format(*os.getloadavg())
