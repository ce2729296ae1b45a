"""Whether the folder of an exported version has arrived whole. Copying one takes a while."""

import time
from pathlib import Path
from typing import NamedTuple

from fcn.system.files import write_json
from fcn.system.json_files import read_json_file

FILES = "files.json"
"""File of an export with the size of each of its other files. A copy is whole when all of them are there."""


def write_file_sizes(version: Path) -> None:
    """Writes `FILES`, last of all, to the folder of a version.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    write_json(version / FILES, {name: size for name, (size, _) in _look(version).items() if name != FILES})


class Arrivals:
    """Tells which folders of versions have arrived whole.

    That is known of exports with `FILES`. Another one has arrived when nothing in it has changed for a while.

    Args:
        seconds: How long that is.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[Path, _Sight] = {}

    def has_arrived(self, version: Path) -> bool:
        """Returns whether a folder is whole, as far as can be known now."""
        found, now = _look(version), time.monotonic()
        if FILES in found:
            return _is_whole(version, found)
        seen = self._seen.get(version)
        if seen is None or seen.found != found:
            self._seen[version] = seen = _Sight(found, now)
        return now - seen.since >= self._seconds


def names_of_files(version: Path) -> frozenset[str]:
    """Returns the paths of all files in a folder, relative to it."""
    return frozenset(_look(version))


class _Sight(NamedTuple):
    found: dict[str, tuple[int, int]]
    since: float


def _look(version: Path) -> dict[str, tuple[int, int]]:
    """Returns size and time of change of each file, by its relative path. Copying does not keep that time."""
    found = {}
    for path in sorted(version.rglob("*")):
        try:
            status = path.stat()
        except OSError:  # it has just been removed
            continue
        if path.is_file():
            found[path.relative_to(version).as_posix()] = status.st_size, status.st_ctime_ns
    return found


def _is_whole(version: Path, found: dict[str, tuple[int, int]]) -> bool:
    try:
        sizes = read_json_file(version / FILES)
    except (OSError, ValueError):
        return False
    if not isinstance(sizes, dict):
        return False
    return all(name in found and found[name][0] == size for name, size in sizes.items())
