"""A shell and a Python interpreter that run the blocks of a tutorial."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PORT = "8501"
MARK = "--- end of block"
PYTHON = f"""
import sys, traceback
names = {{"__name__": "__main__"}}
for line in sys.stdin:
    status = 0
    try:
        with open(line.strip()) as file:
            code = compile(file.read(), line.strip(), "exec")
        exec(code, names)
    except BaseException:
        traceback.print_exc()
        status = 1
    print(f"\\n{MARK} {{status}}", flush=True)
"""
SHELL = f"set -eo pipefail\ntrap 'printf \"\\n{MARK} %d\\n\" $?' EXIT\n"

PROGRESS = re.compile(
    r"step \d+/\d+, .*|[a-z][a-z ]*: [\d,]+( of [\d,]+(, ends about .*)?)?|.* • \d:\d\d:\d\d"
    r"|(Loading|Writing|Comparing labels|Timing) .*"
)
"""Lines of a shell's output that come every so many seconds, with the time that is left, or at the start of a
long step."""


class PageError(Exception):
    """A block failed, or printed something else than the page shows."""


class Session:
    """A shell and a Python interpreter in a folder, which end with all that they started.

    Args:
        folder: Where they run.
        python: The interpreter, which the shell finds as `python`.
        seconds: After this time they are killed.
    """

    def __init__(self, folder: Path, python: Path = Path(sys.executable), seconds: float = 1800) -> None:
        self.folder = folder
        self.python = python
        self.port = PORT  # until a block names it
        programs = dict.fromkeys([str(python.parent), str(Path(sys.executable).parent)])
        tools = os.pathsep.join([*programs, os.environ["PATH"]])
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        plain = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100", "PATH": tools, "PYTHONPATH": paths}
        weights = {"FCN_WEIGHTS": str(folder / ".weights")}  # nothing is downloaded, nothing found
        here = dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost")  # no proxy reaches these
        self.environment = {**os.environ, **plain, **weights, **here}
        self.environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # it would show TensorFlow's notices
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.errors = (folder / ".python-errors").open("w+")
        self.blocks = 0
        self.limit = threading.Timer(seconds, self.kill)
        self.limit.daemon = True
        self.limit.start()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.limit.cancel()
        self.kill()
        self.errors.close()

    def kill(self) -> None:
        """Ends both processes and what they left behind."""
        for process in self.processes.values():
            # A session of its own: its group holds what was started in the background.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdin.close()
            process.stdout.close()

    def _start(self, kind: str) -> subprocess.Popen[str]:
        program = ["bash", "--norc"] if kind == "bash" else [str(self.python), "-u", "-c", PYTHON]
        process = subprocess.Popen(
            program,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if kind == "bash" else self.errors,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        if kind == "bash":
            process.stdin.write(SHELL)
        return process

    def run(self, kind: str, code: str) -> list[str]:
        """Runs a block; returns the lines that it prints, but for those of progress.

        Raises:
            PageError: If it fails.
        """
        if kind not in self.processes:
            self.processes[kind] = self._start(kind)
        process = self.processes[kind]
        if PORT in code and self.port == PORT:  # not before: others might take a port that waits
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = str(free.getsockname()[1])
        self.blocks += 1
        path = self.folder / f".block-{self.blocks}"
        path.write_text(code.replace(PORT, self.port) + "\n")
        order = f"source {path.name}\nprintf '\\n{MARK} 0\\n'\n" if kind == "bash" else f"{path.name}\n"
        process.stdin.write(order)
        process.stdin.flush()
        lines: list[str] = []
        status = "no status: it was killed, or it ended the interpreter"
        for line in process.stdout:
            if line.startswith(MARK):
                status = line.removeprefix(MARK).strip()
                break
            lines.append(line.rstrip().replace(self.port, PORT).replace(f"{self.folder}/", ""))
        if status != "0":
            self.errors.seek(0)
            logs = [f"{path.name}:\n{path.read_text()}" for path in sorted(self.folder.glob("*.log"))]
            shown = "\n".join([*lines, self.errors.read() if kind == "python" else "", *logs])
            raise PageError(f"This block failed ({status}):\n{code}\n\n{shown}")
        while lines and not lines[-1]:
            lines.pop()
        return [line for line in lines if kind == "python" or not PROGRESS.fullmatch(line)]
