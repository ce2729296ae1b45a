"""The limit of memory that a container or a service has on Linux: that of its control group."""

import re
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_FORMS = (
    ("", "memory.max", "memory.current", "inactive_file"),  # version 2
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),  # version 1
)
"""Folder, limit, use, and the caches among the use that are given back first."""


def bytes_below_limit(root: Path = _ROOT) -> int | None:
    """Returns how much memory the processes of a container can still take; None without a limit.

    A container sees its own control group at the root. One that is nested in another is not looked for.

    Args:
        root: Where the control groups are.
    """
    for folder, limit, use, caches in _FORMS:
        try:
            most = int((root / folder / limit).read_text(encoding="ascii"))
            taken = int((root / folder / use).read_text(encoding="ascii"))
            statistics = (root / folder / "memory.stat").read_text(encoding="ascii")
        except (OSError, ValueError):  # not of this version, or "max"
            continue
        found = re.search(rf"^{caches} (\d+)$", statistics, re.MULTILINE)
        return max(0, most - taken + (int(found[1]) if found else 0))
    return None
