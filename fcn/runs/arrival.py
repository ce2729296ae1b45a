"""Whether the folder of an exported version has arrived whole. Copying one takes a while."""

import os
import stat
import time
from pathlib import Path
from typing import NamedTuple

from fcn.system.files import write_json
from fcn.system.json_files import read_json_file

FILES = "files.json"
"""File of an export with the size of each of its other files. A copy is whole when all of them are there."""

_DEEPEST = 8
# A folder whose list does not fit may have been changed on purpose; it has to rest so many times as long.
_RESTS = 12


def write_file_sizes(version: Path) -> None:
    """Writes `FILES`, last of all, to the folder of a version.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    sizes = file_sizes(version)
    sizes.pop(FILES, None)
    write_json(version / FILES, sizes)


def file_sizes(version: Path) -> dict[str, int]:
    """Returns the size of each file in a folder, by its path relative to it. Links are followed."""
    return {name: size for name, (size, _) in _look(version).items()}


class Arrivals:
    """Tells which folders of versions have arrived whole.

    That is known of exports that list their files and hold just these. Another one has arrived when nothing
    in it has changed for a while; one whose list does not fit must rest longer.

    Args:
        seconds: How long that is.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[Path, _Listing] = {}

    def has_arrived(self, version: Path) -> bool:
        """Returns whether a folder is whole, as far as can be known now."""
        found, now = _look(version), time.monotonic()
        listed = _read_list(version) if FILES in found else {}
        fits = all(name in found and found[name][0] == size for name, size in listed.items())
        if listed and fits and found.keys() <= {*listed, FILES}:
            return True
        seen = self._seen.get(version)
        if seen is None or seen.found != found:
            self._seen[version] = seen = _Listing(found, now)
        return now - seen.since >= self._seconds * (1 if fits else _RESTS)


class _Listing(NamedTuple):
    """What a folder held, and since when nothing in it has changed."""

    found: dict[str, tuple[int, int]]
    since: float


def _look(version: Path) -> dict[str, tuple[int, int]]:
    """Returns size and time of change of each file, by its relative path. Copying does not keep that time."""
    found = {}
    for folder, folders, names in os.walk(version, followlinks=True):
        depth = len(Path(folder).relative_to(version).parts)
        # Kubernetes keeps the files of a volume in folders that begin so, and links to them.
        folders[:] = [] if depth >= _DEEPEST else [name for name in folders if not name.startswith("..")]
        for name in names:
            path = Path(folder, name)
            try:
                status = path.stat()
            except OSError:  # it has just been removed
                continue
            if stat.S_ISREG(status.st_mode):
                found[path.relative_to(version).as_posix()] = status.st_size, status.st_ctime_ns
    return found


def _read_list(version: Path) -> dict[str, int]:
    """Returns the listed sizes; one that no folder has where the list cannot be read."""
    try:
        listed = read_json_file(version / FILES)
    except (OSError, ValueError):
        return {"": 0}
    return listed if isinstance(listed, dict) and listed else {"": 0}
