"""Programs that start processes or use Ray, known by their folder of temporary files, and their stores."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from progress_lines import without_progress

from fcn.jobs.store import STORE_NAME

TESTS = Path(__file__).parent
TIMEOUT_SECONDS = 300
COLUMNS = "place, name, size, changed, hash, batch, status, error, labeled, files, record"
"""What does not depend on the processes that labeled a job."""


def rows(output: Path, columns: str = COLUMNS) -> list[tuple[Any, ...]]:
    """Returns columns of all tasks in the store of a job."""
    with closing(sqlite3.connect(output / STORE_NAME)) as connection:
        return connection.execute(f"SELECT {columns} FROM images ORDER BY place").fetchall()


class RayPrograms:
    """Starts programs, and ends all that is left of them.

    Attributes:
        folder: Where their temporary files are; its path is short, as Ray's sockets need it.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="r-", dir="/tmp"))

    def start(self, *command: object, **environment: str) -> subprocess.Popen[str]:
        # What a program is to be without: it sets the threads of its actors itself.
        threads = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
        ours = ("TF_CPP_MIN_LOG_LEVEL", *threads)
        quiet = {key: value for key, value in os.environ.items() if key not in ours}
        paths = os.pathsep.join([str(TESTS.parent), str(TESTS)])
        # Workers of lower priority, as Ray's are, would wait for all other tests.
        fixed = {"PYTHONPATH": paths, "TMPDIR": str(self.folder), "RAY_worker_niceness": "0"}
        fixed["PYTHONDONTWRITEBYTECODE"] = "1"  # of the modules that TensorFlow generates in TMPDIR
        return subprocess.Popen(
            [str(part) for part in command],
            env=quiet | fixed | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start_job(
        self,
        output: Path,
        folder: Path,
        *,
        engine: str = "brightness",
        seconds: float = 0,
        **environment: str,
    ) -> subprocess.Popen[str]:
        program = (sys.executable, TESTS / "ray_program.py", engine, seconds, "local", output, folder)
        return self.start(*program, **environment)

    def processes(self, named: str = "") -> list[int]:
        """Returns the processes that are left of all programs, those whose command has a word in it."""
        mark = f"\0TMPDIR={self.folder}\0".encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                ours = entry.name.isdecimal() and mark in b"\0" + (entry / "environ").read_bytes()
                if ours and named.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:  # gone, or another user's
                continue
        return found

    def wait_until_gone(self) -> list[int]:
        """Returns the processes that are left after a while."""
        for _ in range(1500):  # what Ray had just started waits a minute for it
            if not self.processes():
                break
            time.sleep(0.1)
        return self.processes()

    def end(self) -> None:
        for process in self.processes():
            os.kill(process, signal.SIGKILL)
        subprocess.run(["rm", "-rf", str(self.folder)], check=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Waits for a program; returns its exit code, and what it printed on stdout and stderr but progress."""
    try:
        output, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    finally:
        process.kill()
        process.communicate()
    return process.returncode, output, without_progress(errors)


def wait_for(output: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Waits until a number of labels are there."""
    for _ in range(6000):
        if len([*output.rglob("[!.]*.png")]) >= count:
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise AssertionError(f"no labels come: {finish(process)}")
