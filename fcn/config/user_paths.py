"""Paths as people write them: with `~` and variables of the environment."""

import os
import re
from typing import Any

_HOME = re.compile(r"~[^/]*/")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def expand_path(key: str, value: Any) -> Any:
    """Returns a path with `~` and variables replaced, as a shell does where it sees them.

    Args:
        key: The key of the configuration, for the error.
        value: The path, if it is one; anything else, and the name of a file or folder that exists, is
            returned as it is.

    Raises:
        ValueError: If a variable is not set, or there is no such user.

    Example:
        >>> os.environ["PLACE"] = "/data"
        >>> expand_path("data.root", "$PLACE/voc"), expand_path("data.root", "a$")
        ('/data/voc', 'a$')
    """
    if not isinstance(value, str) or os.path.lexists(value):
        return value
    if not _HOME.match(value) and "$" not in value:
        return value
    unset = [name for pair in _VARIABLE.findall(value) if (name := pair[0] or pair[1]) not in os.environ]
    if unset:
        raise ValueError(
            f"{key}={value}: the environment variable {unset[0]} is not set. Write the path itself"
        )
    found = os.path.expanduser(os.path.expandvars(value))
    if found.startswith("~"):
        raise ValueError(f"{key}={value}: there is no home folder of that name. Write the path itself")
    return found
