"""Writes folders so that no reader sees a partial one, and removes what killed processes left of them."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fcn.errors import OutputError, PlaceError
from fcn.system.files import check_new_folder, remove, temporary_beside, unwritable
from fcn.system.json_files import read_json_file
from fcn.system.places import path_below
from fcn.system.temporary_locks import in_use, remove_abandoned

# Lies in a temporary folder while its entries are moved: their names and inodes.
_MOVING = ".moving.json"


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
        clear_new_folder(path)
        fill = path.exists()
        with temporary_beside(path / "inside" if fill else path, "") as temporary:
            temporary.parent.mkdir(parents=True, exist_ok=True)
            with in_use(temporary):
                try:
                    yield temporary
                    if fill:
                        _move_into(temporary, path)
                    else:
                        temporary.rename(path)
                finally:
                    # Before its lock: a process that is killed meanwhile would leave what nobody removes.
                    remove(temporary)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}). Nothing was left there. "
            "Free space or choose a folder you may write to, then run the same command again."
        ) from error


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yields an empty folder on the disk of a folder that is to be written, and removes it in the end.

    When its process is killed, the next call for the same path removes it.

    Args:
        path: The folder to write. The temporary one lies beside it, or beside a parent that is missing.

    Raises:
        OutputError: If the place cannot be written to.

    Example:
        >>> with temporary_folder(Path("new")) as folder:
        ...     list(folder.iterdir())
        []
    """
    beside = path.absolute()
    while not beside.parent.is_dir():
        beside = beside.parent
    for folder in beside.parents:
        remove_abandoned(folder)
    with temporary_beside(beside, "") as temporary, in_use(temporary):
        try:
            temporary.mkdir()
        except OSError as error:
            raise unwritable(beside.parent, error) from error
        try:
            yield temporary
        finally:
            remove(temporary)


def clear_new_folder(path: Path) -> None:
    """Removes what killed processes left of a folder, and checks that nothing else is in it.

    Args:
        path: The folder to write.

    Raises:
        OutputError: If something else is there.
    """
    remove_abandoned(path, _undo_moves)
    remove_abandoned(path.parent)
    check_new_folder(path)


def _move_into(temporary: Path, folder: Path) -> None:
    """Moves the entries of a folder into another one so that `_undo_moves` can tell which those were."""
    entries = [*temporary.iterdir()]
    record = temporary / _MOVING
    inodes = {entry.name: os.lstat(entry).st_ino for entry in entries}
    record.write_text(json.dumps(inodes), encoding="utf-8")
    for entry in entries:
        entry.rename(folder / entry.name)
    record.unlink()


def _undo_moves(temporary: Path) -> None:
    """Removes what a killed process has moved out of a temporary folder, unless that was all."""
    try:
        record = read_json_file(temporary / _MOVING)
        inodes = {path_below(temporary.parent, name, _MOVING): inode for name, inode in record.items()}
    except (OSError, ValueError, AttributeError, TypeError, PlaceError):
        return
    if not any(os.path.lexists(temporary / path.name) for path in inodes):
        return
    for path, inode in inodes.items():
        # Another file may have got the name since.
        if path.parent == temporary.parent and os.path.lexists(path) and os.lstat(path).st_ino == inode:
            remove(path)
