"""Commands that mend a lack, for the system and the installation at hand."""

import shutil
import sys
from collections.abc import Callable

from fcn.system.installation import install_command, pip_of_environment

_PACKAGE_MANAGERS = {
    "apt-get": "sudo apt-get install {}",
    "dnf": "sudo dnf install {}",
    "pacman": "sudo pacman -S {}",
    "brew": "brew install {}",
    "winget": "winget install {}",
}
"""Commands that install a program, by the program that does it."""


def installing(package: str) -> str:
    """Returns the command that installs a package of Python, with options of pip before its name.

    It is for this environment, also where the shell finds the pip of another one.
    """
    return install_command(package, pip_of_environment())


def installing_program(name: str, find: Callable[[str], str | None] = shutil.which) -> str:
    """Returns the command that installs a program, or what to do where no known one does.

    Args:
        name: Its name, which is also that of its package.
        find: Returns the path of a program, or None.

    Example:
        >>> installing_program("ffmpeg", lambda program: "/bin/brew" if program == "brew" else None)
        'brew install ffmpeg'
    """
    for manager, command in _PACKAGE_MANAGERS.items():
        if find(manager) is not None:
            return command.format(name)
    return f"Install {name}, and put it on the PATH"


def new_environment(version: str, platform: str = sys.platform) -> str:
    """Returns the command that makes an environment of a version of Python.

    Example:
        >>> new_environment("3.12", "linux"), new_environment("3.12", "win32")
        ('python3.12 -m venv .venv', 'py -3.12 -m venv .venv')
    """
    return f"py -{version} -m venv .venv" if platform == "win32" else f"python{version} -m venv .venv"
