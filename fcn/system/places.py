"""Paths for names that come from elsewhere: listings, archives, lists, the store of a job.

Every such name goes through `path_below` before it is a path. Where something is written or deleted,
`output_below` also refuses links on the way. Names that are only compared with others need `name_parts`.
"""

import os
import stat
import unicodedata
from pathlib import Path, PureWindowsPath

from fcn.errors import OutputError, PlaceError

_SHOWN = 200


def path_below(folder: Path, name: str, source: str) -> Path:
    """Returns the path that a name has below a folder, or refuses the name.

    Only the name is examined, not the disk: a name of any length, or one that passes through a link, is
    returned as it is.

    Args:
        folder: The folder that holds the result, at any depth.
        name: The name, relative to the folder.
        source: Where the name comes from, for the message.

    Raises:
        PlaceError: If the name is empty, absolute, leads to the folder itself or out of it, or cannot be the
            name of a file.

    Example:
        >>> path_below(Path("labels"), "cats/a.png", "http://host/").as_posix()
        'labels/cats/a.png'
        >>> path_below(Path("labels"), "../a.png", "http://host/")
        Traceback (most recent call last):
            ...
        fcn.errors.PlaceError: http://host/: names '../a.png', which is outside of the folder labels. ...
    """
    check_below(folder, name, source)
    return folder / name


def check_below(folder: Path, name: str, source: str) -> None:
    """Refuses a name as `path_below` does; for many names of which no paths are needed yet.

    Raises:
        PlaceError: As of `path_below`.
    """
    if not _is_relative(name) or not is_encodable(name):
        shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
        raise PlaceError(
            f"{source}: names {shown!r}, which is outside of the folder {folder}. "
            "Expected a path inside of it. Rename or remove this entry."
        )


def output_below(folder: Path, name: str, source: str) -> Path:
    """Returns a path to write or delete, as `path_below` does, and refuses links to other folders.

    The folder itself may be a link. So may the last part of the name: `fcn.system.files` replaces or deletes
    links, and never writes through them.

    Args:
        folder: The folder that holds the result, at any depth.
        name: The name, relative to the folder.
        source: Where the name comes from, for the message.

    Raises:
        OutputError: If a folder on the way is a link.
        PlaceError: If the name is not below the folder.

    Example:
        >>> output_below(Path("labels"), "a.png", "http://host/").as_posix()
        'labels/a.png'
    """
    path = path_below(folder, name, source)
    link = linked_folder(folder, path.parent)
    if link is not None:
        raise OutputError(
            f"{link}: is a link, and nothing is written or deleted through links in an output folder. "
            "Remove it, or choose another output folder."
        )
    return path


def is_encodable(name: str) -> bool:
    r"""Returns whether the file system can store a name, with regard to its characters alone.

    Example:
        >>> is_encodable("漢"), is_encodable("\ud800")
        (True, False)
    """
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def name_parts(name: str) -> tuple[str, ...]:
    r"""Returns the folders and the last part of a name, without what depends on the machine.

    Example:
        >>> name_parts(r"C:\\data\\..\\a.jpg"), name_parts("./b/c.jpg")
        (('data', 'a.jpg'), ('b', 'c.jpg'))
    """
    parts = unicodedata.normalize("NFC", name).replace("\\", "/").split("/")
    if len(parts[0]) == 2 and parts[0].endswith(":"):
        parts = parts[1:]
    return tuple(part for part in parts if part not in ("", ".", ".."))


def linked_folder(folder: Path, path: Path) -> Path | None:
    """Returns the first link among `path` and its parents below `folder`; None if there is none."""
    step = os.fspath(folder)
    for part in path.relative_to(folder).parts:
        step = os.path.join(step, part)
        try:
            mode = os.lstat(step).st_mode
        except OSError:  # it is not there, so nothing is below it
            return None
        if stat.S_ISLNK(mode):
            return Path(step)
    return None


def _is_relative(name: str, on_windows: bool = os.name == "nt") -> bool:
    """Returns whether a name leads to something below the folder that it is relative to."""
    parts = (name.replace("\\", "/") if on_windows else name).split("/")
    if not parts[0] or ".." in parts or "\0" in name:
        return False
    named = [part for part in parts if part not in ("", ".")]
    if on_windows:
        # Spaces and dots at the end do not count there; colons lead to drives and streams, and names such as
        # NUL to devices.
        if any(":" in part or not part.rstrip(" .") for part in named):
            return False
        return bool(named) and not any(PureWindowsPath(part).is_reserved() for part in named)
    return bool(named)
