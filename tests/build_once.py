"""Folders that several tests look at and that take seconds to make, made once for all test processes."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def build_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """Returns a folder that the first process to ask for it makes, while the others wait.

    Tests only look at it, and copy it to change it.

    Args:
        factory: Knows the folder of this test run.
        name: Name of the folder.
        build: Makes and fills the folder.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # each worker has a folder of its own inside of it
    folder = root / "built-once" / name
    finished = folder.with_name(f"{name}.finished")
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.with_name(f"{name}.lock")):
        if not finished.exists():
            build(folder)
            finished.touch()
    return folder
