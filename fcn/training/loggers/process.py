"""One logger as a training sees it: a process that is sent lines, and that the training never waits for."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from fcn.system.json_files import parse_json

OUTPUT = "output.log"
PYTHON = sys.executable
_ROOT = Path(__file__).parents[3]
MOST_WAITING = 64 << 20
"""Bytes that may wait to be sent; a logger that is so far behind is given up."""


class LoggerProcess:
    """A process of `fcn.training.loggers.program`.

    Two threads write and read, so that no method but `wait` ever waits.

    Args:
        name: Name of the logger.
        folder: Where the library's own output goes, to `OUTPUT` in it.

    Raises:
        OSError: If the process cannot be started, or the folder not be written to.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.output = folder / OUTPUT
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                # -P: the current folder may hold one that is named as a library.
                [PYTHON, "-P", "-m", "fcn.training.loggers.program", name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                # Ctrl-C in a terminal is for the training, which tells the process.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._answers: deque[dict[str, str]] = deque()
        self._sent = self._written = 0
        self._is_closed = False
        threading.Thread(target=self._write, daemon=True).start()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, message: dict[str, Any]) -> None:
        """Sends a message, unless the process has ended or is given up."""
        if self._is_closed:
            return
        line = json.dumps(message, allow_nan=False).encode() + b"\n"
        if self._sent - self._written + len(line) > MOST_WAITING:
            self._answers.append({"warning": "It does not keep up, and is given up."})
            self.kill()
            return
        self._sent += len(line)
        self._lines.put(line)

    def answers(self) -> list[dict[str, str]]:
        """Returns what the process has answered since the last call."""
        found = []
        with suppress(IndexError):
            while True:
                found.append(self._answers.popleft())
        return found

    def end(self) -> None:
        """Ends the input of the process after what it was sent."""
        self._lines.put(None)

    def wait(self, seconds: float) -> bool:
        """Waits until the process has ended; returns whether it has."""
        try:
            self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        self._reader.join(1)  # the last answers
        return True

    def kill(self) -> None:
        """Ends the process now."""
        self._is_closed = True
        self._process.kill()
        self._process.wait()

    def _write(self) -> None:
        stream = cast(IO[bytes], self._process.stdin)
        with suppress(OSError, ValueError):  # it has ended, which `_read` says
            while (line := self._lines.get()) is not None:
                stream.write(line)
                stream.flush()
                self._written += len(line)
        with suppress(OSError, ValueError):
            stream.close()

    def _read(self) -> None:
        has_ended = False
        with cast(IO[bytes], self._process.stdout) as stream:
            for line in stream:
                with suppress(ValueError):
                    answer = parse_json(line)
                    has_ended = has_ended or "ended" in answer
                    self._answers.append(answer)
        if not has_ended and not self._is_closed:
            code = self._process.wait()
            self._answers.append({"warning": f"Its process ended with exit code {code}."})
        self._is_closed = True
