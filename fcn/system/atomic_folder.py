"""Writes folders so that no reader sees a partial one, and removes what killed processes left of them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fcn.errors import OutputError
from fcn.system.files import check_new_folder, remove, temporary_beside

_LOCK = ".lock"
_TEMPORARY_FOLDER = re.compile(r"\.[0-9a-f]{16}\.tmp")


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yields a name for a new folder, and gives that folder the name `path` when the block succeeds.

    The block makes the folder. Missing parent folders are made. When the block fails, its folder is removed;
    when its process is killed, the next call for a folder beside it removes it.

    Args:
        path: The folder to write; it may exist if it is empty. Then it may be a mount point, which cannot be
            replaced, so the content is moved into it.

    Raises:
        OutputError: If `path` is in use, the place cannot be written to or the disk is full.

    Example:
        >>> import tempfile
        >>> with atomic_folder(Path(tempfile.mkdtemp()) / "new") as temporary:
        ...     temporary.mkdir()
        ...     _ = (temporary / "a.txt").write_text("a")
    """
    try:
        for folder in (path, path.parent):
            _remove_abandoned(folder)
        check_new_folder(path)
        fill = path.exists()
        with temporary_beside(path / "inside" if fill else path, "") as temporary:
            temporary.parent.mkdir(parents=True, exist_ok=True)
            with _in_use(temporary):
                yield temporary
                if not fill:
                    temporary.rename(path)
                else:
                    for entry in temporary.iterdir():
                        entry.rename(path / entry.name)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}). Nothing was left there. "
            "Free space or choose a folder you may write to, then run the same command again."
        ) from error


@contextmanager
def _in_use(temporary: Path) -> Iterator[None]:
    """Locks a file beside a temporary folder for as long as this process lives and the block runs."""
    from filelock import FileLock  # which would make `import fcn` slower

    lock = FileLock(temporary.with_name(f"{temporary.name}{_LOCK}"))
    with lock:
        try:
            yield
        finally:
            remove(Path(lock.lock_file))


def _remove_abandoned(folder: Path) -> None:
    """Removes the temporary folders in a folder whose processes were killed, as far as possible."""
    from filelock import FileLock, Timeout

    for path in folder.glob(f".*.tmp{_LOCK}"):
        temporary = path.with_name(path.name.removesuffix(_LOCK))
        if not _TEMPORARY_FOLDER.fullmatch(temporary.name) or path.is_symlink():
            continue
        with suppress(Timeout, OSError), FileLock(path, timeout=0):
            remove(temporary)
            remove(path)
