"""Reads JSON from files that may be damaged, too large or nested too deeply."""

import json
from pathlib import Path
from typing import Any

from fcn.system.files import read_at_most

MAX_JSON_BYTES = 16 << 20
"""The largest size of a JSON file that a run or an export holds, unless its reader says otherwise."""


def parse_json(text: str | bytes) -> Any:
    """Returns the value that a JSON text holds.

    Raises:
        ValueError: If it is not JSON, or is nested too deeply.

    Example:
        >>> parse_json('{"steps": 300}')
        {'steps': 300}
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply") from error


def read_json_file(path: Path, most_bytes: int = MAX_JSON_BYTES) -> Any:
    """Returns the value that a JSON file holds.

    Args:
        path: The file.
        most_bytes: The largest size.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is larger, is not JSON, or is nested too deeply.
    """
    with path.open("rb") as file:
        too_large = ValueError(f"expected at most {most_bytes:,} bytes")
        return parse_json(read_at_most(file, most_bytes, too_large))
