"""Starts the command line; where Python is too old or lacks packages, says what to do.

Python 3.9 has to be able to import this file and `fcn.system.shell`, to come as far as the message.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from fcn.system.shell import quoted

_ROOT = Path(__file__).parents[2]
_OLDEST_PYTHON = (3, 11)


def start(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one command as `fcn.cli.main.main` does, and exits.

    Args:
        arguments: The command and its arguments; None for those of this process.
    """
    if sys.version_info < _OLDEST_PYTHON:
        _refuse(
            "Python 3.11 to 3.13 is needed. "
            f"Received: Python {platform.python_version()} ({sys.executable}). {_remedy(_ROOT)}"
        )
    try:
        from fcn.cli.main import main  # it imports the packages that may be missing
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "fcn":
            raise
        _refuse(f"{sys.executable} has no package {error.name}, which every command needs. {_remedy(_ROOT)}")
    main(arguments)


def _refuse(message: str) -> NoReturn:
    """Prints why no command can run, and exits; an older Python cannot import `fcn.system.text`."""
    print("Error:", message if message.isprintable() else ascii(message), file=sys.stderr)
    sys.exit(2)


def _remedy(root: Path, windows: bool = os.name == "nt") -> str:
    r"""Returns what to do where this Python is not one that can run the commands.

    Args:
        root: Where the checkout is, in which README.md makes the environment.
        windows: Whether the shell is one of Windows. cmd.exe and PowerShell start a program whose path has
            spaces in different ways, so there the path is relative.

    Example:
        >>> print(_remedy(Path("checkout")))
        Install what is needed: make quickstart, or the commands under "Start" in README.md.
    """
    environment = root / ".venv"
    if Path(sys.prefix).resolve() == environment.resolve() or not environment.is_dir():
        return 'Install what is needed: make quickstart, or the commands under "Start" in README.md.'
    activate = "Activate the environment of the checkout, then run the same command:"
    if windows:
        return rf"{activate} .venv\Scripts\activate in the folder {root}"
    return f"{activate} source {quoted(environment / 'bin' / 'activate')}"
