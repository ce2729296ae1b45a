"""Writes folders so that no reader sees a partial one, and removes what killed processes left of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fcn.errors import OutputError
from fcn.system.files import check_new_folder, temporary_beside
from fcn.system.temporary_locks import in_use, remove_abandoned


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
            remove_abandoned(folder)
        check_new_folder(path)
        fill = path.exists()
        with temporary_beside(path / "inside" if fill else path, "") as temporary:
            temporary.parent.mkdir(parents=True, exist_ok=True)
            with in_use(temporary):
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
