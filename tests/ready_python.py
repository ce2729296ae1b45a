"""Starts a Python that is ready, for tests of what commands do, not of how they start."""

import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).parent
PROGRAM = TESTS / "ready_python_program.py"
PYTHON = """#!/bin/sh
case "$1" in
-m | -c | -u) exec {python} -IS {program} {place} "$@" ;;
*) exec {python} "$@" ;;
esac
"""


@contextmanager
def ready_python() -> Iterator[Path]:
    """Yields a program `python` that takes seconds less of CPU time for a command than another.

    What it runs with `-m` or `-c` is a process of its own, a fork of one that has imported TensorFlow and
    this package. Of all else that it is given it starts a new Python.
    """
    # pytest's folders may have names that are too long for a socket.
    with tempfile.TemporaryDirectory(prefix="ready-") as folder, (Path(folder) / "log").open("w") as log:
        python, place = Path(folder) / "python", Path(folder) / "socket"
        words = {"python": sys.executable, "program": PROGRAM, "place": place}
        python.write_text(PYTHON.format(**{key: shlex.quote(str(word)) for key, word in words.items()}))
        python.chmod(0o755)
        paths = filter(None, [str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(place))
            listening.listen()
            process = subprocess.Popen(
                [sys.executable, PROGRAM, "serve", str(listening.fileno())],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "TF_CPP_MIN_LOG_LEVEL": "3"},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[listening.fileno()],
            )
        try:
            yield python
        finally:
            process.communicate()  # its stdin ends, and so does it
