"""How this package was installed, and the command that installs another one beside it."""

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Literal

from fcn.system.shell import join_words, quoted

DISTRIBUTION = "keras-fcn"
"""Name of the distribution on package indexes."""

Installer = Literal["pip", "pipx", "uv"]


def find_installer(environment: Path = Path(sys.prefix)) -> Installer:
    """Returns the program that installs into an environment of Python.

    Args:
        environment: Its folder.

    Returns:
        "pipx" where pipx made it; "uv" where `uv tool` did, or where pip is missing, as uv leaves it out.

    Example:
        >>> find_installer(Path("nowhere"))
        'pip'
    """
    if (environment / "pipx_metadata.json").is_file():
        return "pipx"
    if (environment / "uv-receipt.toml").is_file() or importlib.util.find_spec("pip") is None:
        return "uv"
    return "pip"


def install_command(package: str, pip: str = "pip", installer: Installer | None = None) -> str:
    """Returns the command that installs a package into this environment.

    Args:
        package: Its name, perhaps with extras; options of pip may be before it.
        pip: How to start pip.
        installer: What installs; None to find that out.

    Example:
        >>> install_command("jax", installer="pip"), install_command("jax", installer="pipx")
        ('pip install jax', 'pipx runpip keras-fcn install jax')
    """
    installer = find_installer() if installer is None else installer
    what = join_words(package.split(" "))
    if installer == "pipx":
        return f"pipx runpip {DISTRIBUTION} install {what}"
    if installer == "uv":
        return f"uv pip install --python {quoted(sys.executable)} {what}"
    return f"{pip} install {what}"


def pip_of_environment() -> str:
    """Returns how to start the pip of this environment: by its name alone if the shell finds that one."""
    found = shutil.which("pip")
    if found is not None and Path(found).parent == Path(sys.executable).parent:
        return "pip"
    return f"{quoted(sys.executable)} -m pip"
