"""Writes the files that commands are asked for, and removes what killed commands have left of them."""

import os
from pathlib import Path
from typing import Any

from fcn.errors import OutputError
from fcn.system.files import as_json, remove, suffix_of_temporary, temporary_beside, unwritable
from fcn.system.temporary_locks import in_use, is_temporary, remove_abandoned

_CHECK = ".check"


def check_writable(path: Path) -> None:
    """Checks that a file can be written, before the work for its content; makes its folder.

    Removes what killed processes left in that folder of this function and `write_result`.

    Raises:
        OutputError: If it cannot.
    """
    if path.is_dir():
        raise OutputError(f"{path}: expected a file or a new name. Received: a folder. Choose another path.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(path, _CHECK) as temporary:
            temporary.touch()
        remove_abandoned(path.parent)
        for left in path.parent.glob(f".*.tmp{_CHECK}"):
            # Its process may live, but needs it no more once it is made.
            if is_temporary(left.name):
                remove(left)
    except OSError as error:
        raise unwritable(path, error) from error


def write_result(path: Path, text: str) -> None:
    """Writes `text` to `path` as UTF-8, in one piece; if this is killed, `check_writable` removes the rest.

    Raises:
        OutputError: If the folder cannot be written to or the disk is full.
    """
    try:
        with temporary_beside(path, suffix_of_temporary(path)) as temporary:
            path.parent.mkdir(parents=True, exist_ok=True)
            with in_use(temporary):
                temporary.write_bytes(text.encode())
                os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from error


def write_json_result(path: Path, value: Any) -> None:
    """Writes `value` to `path` as indented JSON, as `write_result` does. Replace NaN by None before.

    Raises:
        OutputError: If the folder cannot be written to or the disk is full.
    """
    write_result(path, as_json(value) + "\n")
