"""Writes files so that no reader ever sees a partial one."""

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from fcn.errors import OutputError


def is_there(path: Path) -> bool:
    """Returns whether a file or folder exists.

    Raises:
        PermissionError: If a parent folder may not be entered, so that this cannot be known.
    """
    try:
        path.stat()
    except PermissionError:
        raise
    except OSError:  # missing, below a file, or a name that is too long
        return False
    return True


def unwritable(path: Path, error: OSError) -> OutputError:
    """Returns the error to raise when the operating system refuses to write.

    Args:
        path: The file or folder that could not be written.
        error: The error of the operating system.
    """
    return OutputError(
        f"{path}: cannot be written ({error.strerror or error}). What was written before is intact. "
        "Free space or choose a folder you may write to, then run the same command again."
    )


def unreadable(error: OSError) -> str:
    """Returns the message, without the path, when the operating system refuses to read.

    Args:
        error: The error of the operating system.

    Example:
        >>> unreadable(FileNotFoundError(errno.ENOENT, "No such file or directory"))
        'cannot be read (No such file or directory). Check the path and its permissions.'
    """
    return f"cannot be read ({error.strerror or error}). Check the path and its permissions."


def occupied(path: Path, remedy: str) -> OutputError:
    """Returns the error to raise when something is where a new file or folder would be written.

    Args:
        path: The file or folder that is there.
        remedy: A sentence on what to do.
    """
    return OutputError(f"{path}: exists already. {remedy}")


def check_new_folder(path: Path) -> None:
    """Checks that nothing is at `path` but possibly an empty folder.

    Raises:
        OutputError: If something is there.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise occupied(path, "Expected a new or empty folder. Choose another, or remove it.")


def name_is_too_long(error: OutputError) -> bool:
    """Returns whether a file could not be written only because of its name."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENAMETOOLONG


@contextmanager
def temporary_beside(path: Path, suffix: str) -> Iterator[Path]:
    """Yields an unused name beside `path`, and removes what is there in the end.

    Args:
        path: The final name.
        suffix: Ending of the name; some writers choose a format by it.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp{suffix}")
    remove_link(temporary)
    try:
        yield temporary
    finally:
        remove(temporary)


def suffix_of_temporary(path: Path) -> str:
    """Returns the suffix of a file for its temporary one.

    A long suffix is not a format, and no file system allows names much longer than 255 bytes.
    """
    return path.suffix if len(os.fsencode(path.suffix)) <= 16 else ""


def remove_link(path: Path) -> None:
    """Removes a link at a path, so that nothing is written to its target.

    Raises:
        OSError: If it cannot be removed.
    """
    if path.is_symlink():
        path.unlink()


def open_unlinked(path: str, flags: int) -> int:
    """Opens a file for `open`, as its `opener`, and refuses a link where the operating system can.

    Raises:
        OSError: If the path is a link, or cannot be opened.
    """
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def read_unlinked(path: Path) -> bytes:
    """Returns the content of a file that is not a link.

    Raises:
        OSError: If the path is a link, or cannot be read.
    """
    with open(path, "rb", opener=open_unlinked) as file:
        return file.read()


def read_at_most(file: IO[bytes], most_bytes: int, error: Exception) -> bytes:
    """Returns the content of an open file; of one that holds more than it may, reads one byte more.

    Args:
        file: A file of any kind, also one without end.
        most_bytes: The largest size.
        error: What is raised if the file holds more.

    Example:
        >>> from io import BytesIO
        >>> read_at_most(BytesIO(b"abc"), 3, ValueError("is too large"))
        b'abc'
    """
    content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise error
    return content


def partial_files(folder: Path) -> list[Path]:
    """Returns the partial files that killed processes have left in a folder."""
    return list(folder.glob(".*.tmp*"))


def remove(path: Path) -> None:
    """Removes a file, or a folder with its content, as far as possible."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, and renames it to `path` when the block succeeds.

    Missing folders are made. When the block fails, the temporary file is removed and an earlier file
    at `path` is unchanged.

    Args:
        path: The file to write.

    Raises:
        OutputError: If the folder cannot be written to or the disk is full.
    """
    try:
        with temporary_beside(path, suffix_of_temporary(path)) as temporary:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from error


@contextmanager
def durable_path(path: Path) -> Iterator[Path]:
    """Writes like `atomic_path`, and returns only when the file is on the disk.

    After a loss of power there is the old file or the new one, never a new name without content.

    Args:
        path: The file to write.

    Raises:
        OutputError: If the folder cannot be written to or the disk is full.
    """
    with atomic_path(path) as temporary:
        yield temporary
        sync(temporary)
    with suppress(OSError):  # not every system can sync folders
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def sync(path: Path) -> None:
    """Waits until a file is on the disk.

    Raises:
        OSError: If the disk refuses.
    """
    with path.open("r+b") as file:  # Windows syncs no file that is opened for reading alone
        os.fsync(file.fileno())


def write_durably(path: Path, text: str) -> None:
    """Writes `text` to `path` as UTF-8, in one piece, and waits until it is on the disk.

    Raises:
        OutputError: If the folder cannot be written to or the disk is full.
    """
    with durable_path(path) as temporary:
        temporary.write_bytes(text.encode())


def content_hash(paths: Iterable[Path]) -> str:
    """Returns the SHA-256 of the content of files, one after the other, in hexadecimal digits.

    Example:
        >>> content_hash([])[:8]
        'e3b0c442'
    """
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` to `path` in one piece.

    Raises:
        OutputError: If the folder cannot be written to or the disk is full.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Writes `text` to `path` as UTF-8, in one piece.

    Raises:
        OutputError: If the folder cannot be written to or the disk is full.
    """
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Writes `value` to `path` as indented JSON, in one piece. Replace NaN by None before.

    Raises:
        OutputError: If the folder cannot be written to or the disk is full.
    """
    write_text(path, as_json(value) + "\n")


def as_json(value: Any) -> str:
    """Returns `value` as indented JSON, in printable ASCII. Replace NaN by None before.

    Example:
        >>> as_json([])
        '[]'
    """
    # Of the control characters json leaves DEL alone.
    return json.dumps(value, indent=2, allow_nan=False).replace("\x7f", "\\u007f")
