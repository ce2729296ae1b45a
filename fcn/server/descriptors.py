"""File descriptors for connections: the limit of the system, and how many connections fit below it."""

import errno
import os
import sys

NONE_LEFT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Error numbers of a system that has no descriptor, or no memory, for another connection."""

_RESERVE = 128
"""Descriptors for all else: files of new versions, example images, and connections that are being closed."""

_SMALLEST_SHARE = 4
"""Under a lower limit, all else gets one descriptor out of so many."""


def reserve_descriptors(connections: int) -> int:
    """Raises the soft limit of open files for a number of connections, as far as the hard limit permits.

    Args:
        connections: Wanted number of connections.

    Returns:
        The number that fits, at least 1 and at most the wanted one.

    Example:
        >>> reserve_descriptors(1)
        1
    """
    if sys.platform == "win32":  # has no such limit
        return connections
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = _count_open()
    needed = used + connections + _RESERVE
    if soft != resource.RLIM_INFINITY and soft < needed:
        wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # a system with a further limit
            wanted = soft
        soft = wanted
    if soft == resource.RLIM_INFINITY:
        return connections
    return max(1, min(connections, soft - used - min(_RESERVE, soft // _SMALLEST_SHARE)))


def _count_open() -> int:
    """Returns the number of open files; an estimate where the system does not tell."""
    try:
        return len(os.listdir("/dev/fd"))
    except OSError:
        return _RESERVE // 2
