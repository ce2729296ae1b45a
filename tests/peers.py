"""Starts programs of other tools for labels, in an environment of their own: `make peers`."""

import os
import subprocess
from pathlib import Path

import pytest

_PROGRAMS = Path(__file__).parents[1] / ".venv-peers" / "bin"


def run_peer(program: str, *arguments: object, folder: Path) -> str:
    """Returns what a program prints; skips the test where the environment is not installed.

    Args:
        program: Its name, "python" among them.
        arguments: Its arguments.
        folder: Where it starts, and keeps its settings.
    """
    path = _PROGRAMS / program
    if not path.is_file():
        pytest.skip(f"needs {program} of the environment of peers: make peers")
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "MPLCONFIGDIR": str(folder),
        "QT_QPA_PLATFORM": "offscreen",
        "YOLO_CONFIG_DIR": str(folder),
        "YOLO_OFFLINE": "true",
    }
    finished = subprocess.run(
        [path, *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout
