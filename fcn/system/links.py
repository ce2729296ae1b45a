"""Links to files and folders, and what takes their place where a system has none."""

import os
import shutil
import sys
from pathlib import Path


def link_or_copy(source: Path, target: Path) -> bool:
    """Makes a hard link to a file, or a copy where the disk has no links; returns whether it is a link.

    Args:
        source: The file, or a symbolic link to it.
        target: A new name.

    Raises:
        OSError: If it can be neither.
    """
    try:
        # `follow_symlinks` of `os.link` does nothing on Linux before Python 3.14.
        os.link(source.resolve(), target)
    except FileExistsError:
        raise
    except OSError:
        shutil.copyfile(source, target)
        return False
    return True


def link_folder(source: Path, target: Path) -> None:
    """Makes a link to a folder; on Windows, where links need a privilege, a junction if there is none.

    Args:
        source: An absolute path.
        target: A new name.

    Raises:
        OSError: If it cannot be made.
    """
    try:
        target.symlink_to(source, target_is_directory=True)
    except OSError:
        if sys.platform != "win32":
            raise
        import _winapi

        _winapi.CreateJunction(str(source), str(target))
