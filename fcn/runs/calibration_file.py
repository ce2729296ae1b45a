"""Puts temperatures into the file of a net, and reads what they were fitted on.

They are an argument of the net in its `.keras` file, so they go with these weights alone: a better checkpoint
that replaces the file has none, nor has a net that is trained from it.
"""

import json
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fcn.errors import RunError
from fcn.system.files import durable_path

_CONFIG, _RECORD = "config.json", "calibration.json"
# Both are a few kilobytes.
_MOST_BYTES = 8 << 20


def save_temperatures(path: Path, temperatures: Sequence[float], record: dict[str, Any]) -> None:
    """Writes temperatures into the file of a net; all else in it stays to the byte.

    Args:
        path: A `.keras` file of a net of this package.
        temperatures: One, or one for each class.
        record: JSON values that say what they were fitted on; `read_record` returns them.

    Raises:
        OutputError: If the place cannot be written to or the disk is full; the file is as it was.
        RunError: If the file cannot be read.
    """
    with durable_path(path) as temporary:
        try:
            with zipfile.ZipFile(path) as source, zipfile.ZipFile(temporary, "w") as target:
                document = json.loads(_read_entry(source, _CONFIG))
                document["config"]["temperatures"] = [*temperatures]
                changed = {_CONFIG: document, _RECORD: record}
                for entry in source.infolist():
                    if entry.filename not in changed:
                        with source.open(entry) as content, target.open(entry, "w") as copy:
                            shutil.copyfileobj(content, copy, 1 << 20)
                for name, value in changed.items():
                    target.writestr(name, json.dumps(value))
        except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{path}: cannot be read as a net of this package ({error}). Copy it again, or train the net "
                "again."
            ) from error


def read_record(path: Path) -> dict[str, Any] | None:
    """Returns what the temperatures of a net were fitted on; None if its file does not say.

    Args:
        path: A `.keras` file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            record = json.loads(_read_entry(archive, _RECORD))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _read_entry(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _MOST_BYTES:
        raise ValueError(f"its {name} has more than {_MOST_BYTES} bytes")
    return archive.read(name)
