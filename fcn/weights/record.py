"""What is recorded of a file of weights beside it, so that a change of the file is noticed."""

from pathlib import Path
from typing import NamedTuple

from fcn.system.download.check import digest
from fcn.system.files import write_json
from fcn.system.json_files import read_json_file

# A record has some 300 bytes.
_LARGEST = 1 << 16


class Record(NamedTuple):
    """What is known of a file since it came into the folder.

    Attributes:
        sha256: Of its content.
        size: Its length in bytes.
        modified_ns: When it was last written, so that it need not be read again to know that it is the same.
    """

    sha256: str
    size: int
    modified_ns: int


def record_path(path: Path) -> Path:
    """Returns where the record of a file is, or would be."""
    return path.with_name(f"{path.name}.json")


def read_record(path: Path) -> Record | None:
    """Returns the record of a file; None if there is none that can be read."""
    try:
        found = read_json_file(record_path(path), _LARGEST)
        return Record(str(found["sha256"]), int(found["size"]), int(found["modified_ns"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def measure(path: Path) -> Record:
    """Returns the record of a file as it is now.

    Raises:
        OSError: If it cannot be read.
    """
    status = path.stat()
    return Record(digest(path, "sha256"), status.st_size, status.st_mtime_ns)


def write_record(path: Path, record: Record) -> None:
    """Writes the record of a file.

    Raises:
        OutputError: If the folder cannot be written to.
    """
    write_json(record_path(path), record._asdict())


def is_recorded(path: Path) -> bool:
    """Returns whether a file is there and is the one that was recorded, by its size and time."""
    record = read_record(path)
    if record is None:
        return False
    try:
        status = path.stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (record.size, record.modified_ns)
