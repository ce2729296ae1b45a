"""Locks of temporary files and folders, by which the next process knows what a killed one has left."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fcn.system.files import remove

_LOCK = ".lock"
# A folder has no suffix, and a file that of its final name.
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp(\.[^.]*)?")


def is_temporary(name: str) -> bool:
    """Returns whether a name is that of a temporary file or folder.

    Example:
        >>> is_temporary(".0123456789abcdef.tmp.json"), is_temporary("scores.json")
        (True, False)
    """
    return _TEMPORARY.fullmatch(name) is not None


@contextmanager
def in_use(temporary: Path) -> Iterator[None]:
    """Locks a file beside a temporary file or folder for as long as this process lives and the block runs."""
    from filelock import FileLock  # which would make `import fcn` slower

    lock = FileLock(temporary.with_name(f"{temporary.name}{_LOCK}"))
    with suppress(OSError):  # without locks, nothing that is left can be removed
        lock.acquire()
    try:
        yield
    finally:
        remove(Path(lock.lock_file))
        lock.release()


def remove_abandoned(folder: Path, undo: Callable[[Path], None] | None = None) -> None:
    """Removes what was locked in a folder by processes that were killed, as far as possible.

    Args:
        folder: The folder.
        undo: Called with each temporary file or folder before it is removed.
    """
    from filelock import FileLock, Timeout

    for path in folder.glob(f".*.tmp*{_LOCK}"):
        temporary = path.with_name(path.name.removesuffix(_LOCK))
        if not is_temporary(temporary.name) or path.is_symlink():
            continue
        with suppress(Timeout, OSError), FileLock(path, timeout=0):
            if undo is not None:
                undo(temporary)
            remove(temporary)
            remove(path)
