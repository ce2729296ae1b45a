"""Searches names with a regular expression of the user, which can take longer than anybody waits."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fcn.errors import BackendError, ConfigError
from fcn.system import matching_program


def search_names(pattern: str, names: Sequence[str], seconds: float, option: str) -> list[str | None]:
    """Returns what a regular expression finds in each name: its first group or the match; None without one.

    It is matched in a process that is killed if it takes too long: Python itself cannot stop a search.

    Args:
        pattern: The regular expression.
        names: What to search.
        seconds: The longest time for all names.
        option: Name of the option that gave the pattern, for messages.

    Raises:
        BackendError: If no process can be started, or it ended without an answer.
        ConfigError: If the pattern is not a regular expression, or takes too long.

    Example:
        >>> search_names(r"^(.*)_frame", ["a_frame1", "b"], 60, "--group-by")
        ['a', None]
    """
    program = [sys.executable, "-I", "-S", str(Path(matching_program.__file__))]
    request = json.dumps({"pattern": pattern, "names": list(names)}).encode()
    try:
        done = subprocess.run(program, input=request, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            f"{option} {pattern}: takes more than {seconds:g} s. Write a simpler regular expression."
        ) from error
    except OSError as error:
        raise BackendError(
            f"{option} {pattern}: the process that matches it cannot be started ({error.strerror or error}). "
            "Allow more processes or memory, then try again."
        ) from error
    if done.returncode:
        raise BackendError(
            f"{option} {pattern}: the process that matches it ended with exit code {done.returncode}. Give "
            "it more memory, or write a simpler regular expression."
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    if "error" in answer:
        raise ConfigError(f"{option} {pattern}: is not a regular expression ({answer['error']}).")
    return list(answer["found"])
