"""Packages that only some features need: importing them, and the message where one is missing."""

import importlib
from typing import Any

from fcn.errors import BackendError
from fcn.system.installation import DISTRIBUTION, install_command


def import_optional(module: str, feature: str, extra: str) -> Any:
    """Imports a module of a package that only a feature needs.

    Args:
        module: Name of the module.
        feature: What needs it, as the user named it.
        extra: Which optional dependencies of this distribution hold the package.

    Raises:
        BackendError: If the package is not installed, or cannot be imported.

    Example:
        >>> import_optional("json", "--json", "none").__name__
        'json'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing_package(feature, module, extra, error=error) from error


def missing_package(
    feature: str, package: str, extra: str = "", *, remedy: str = "", error: ImportError | None = None
) -> BackendError:
    """Returns the error of a feature whose package is missing. All such messages are written here.

    Args:
        feature: What needs it, as the user named it.
        package: Name of the package, or of a module in it.
        extra: Which optional dependencies of this distribution hold it; empty for a package that is installed
            by its own name.
        remedy: Another sentence: what else the user can do.
        error: What was raised when it was imported. It may miss another package, which counts then.

    Example:
        >>> str(missing_package("format=onnx", "onnx", "onnx"))
        "format=onnx: the package onnx is not installed. Install it: pip install 'keras-fcn[onnx]'."
    """
    if isinstance(error, ModuleNotFoundError):
        package = error.name or package
    package = package.partition(".")[0].replace("_", "-")
    problem = f"the package {package} is not installed"
    if error is not None and not isinstance(error, ModuleNotFoundError):
        problem = f"the package {package} cannot be used ({error})"
    command = install_command(f"{DISTRIBUTION}[{extra}]" if extra else package)
    message = f"{feature}: {problem}. Install it: {command}."
    return BackendError(f"{message} {remedy}".rstrip())
