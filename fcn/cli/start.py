"""Starts the command line; where the packages that it needs are missing, says which environment has them."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from fcn.system.shell import quoted
from fcn.system.text import print_notice

_ROOT = Path(__file__).parents[2]


def start(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one command as `fcn.cli.main.main` does, and exits.

    Args:
        arguments: The command and its arguments; None for those of this process.
    """
    try:
        from fcn.cli.main import main  # it imports the packages that may be missing
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "fcn":
            raise
        print_notice(f"Error: {_missing(error.name, _ROOT)}")
        sys.exit(2)
    main(arguments)


def _missing(package: str, root: Path, windows: bool = os.name == "nt") -> str:
    r"""Returns what to do where a package is missing that every command needs.

    Args:
        package: Its name.
        root: Where the checkout is, in which README.md makes the environment.
        windows: Whether the shell is one of Windows.

    Example:
        >>> print(_missing("pydantic", Path("checkout")).partition(". ")[2])
        Install what is needed: make quickstart, or the commands under "Start" in README.md.
    """
    first = f"{sys.executable} has no package {package}, which every command needs. "
    environment = root / ".venv"
    if Path(sys.prefix).resolve() == environment.resolve() or not environment.is_dir():
        return f'{first}Install what is needed: make quickstart, or the commands under "Start" in README.md.'
    script = quoted(environment / ("Scripts/activate" if windows else "bin/activate"))
    return f"{first}Activate the environment that has it, then run the same command: " + (
        script if windows else f"source {script}"
    )
