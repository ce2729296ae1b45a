"""Workers, each a process that holds what is to be timed, and rounds in which they take turns.

A worker is asked in one line of JSON and answers in one. Whatever else it prints goes to a log that is
shown if it fails.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
LOG_LINES = 12
PAUSE_SECONDS = 0.2
"""Between two measurements, so that threads of the last one stop waiting for more work."""

Reply = dict[str, Any]


class WorkerError(RuntimeError):
    """A worker ended before it answered."""


class Worker:
    """A process that answers requests.

    Args:
        name: What it is called in tables.
        python: The Python to run it with.
        script: What to run, in this folder.
        arguments: Of the script.
        environment: Variables to add to this process' own.
    """

    def __init__(
        self,
        name: str,
        python: str,
        script: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
    ) -> None:
        self.name = name
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [python, str(Path(__file__).with_name(script)), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(paths)},
        )

    def ask(self, **request: Any) -> Reply:
        """Returns the worker's answer.

        Raises:
            WorkerError: If there is none; with the end of what it printed.
        """
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.close()
            self._log.seek(0)
            printed = self._log.read().decode(errors="replace").splitlines()
            raise WorkerError("\n    ".join([f"{self.name} failed:", *printed[-LOG_LINES:]]))
        return json.loads(line)

    def close(self) -> None:
        """Ends the process and gives its memory back."""
        try:
            self._process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def answer(prepare: Callable[[], Callable[[Reply], Reply]]) -> None:
    """Answers requests until there are no more; called by a worker's script.

    Args:
        prepare: Imports and builds what is timed, and returns the function from request to answer. Each
            answer also gets "peak_bytes", the most memory the process has had.
    """
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # frameworks print too
    handle = prepare()
    for line in sys.stdin:
        reply = handle(json.loads(line))
        reply["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(reply), file=replies, flush=True)


def take_turns(
    workers: Sequence[Worker], request: Mapping[str, Any], warm_up: int, rounds: int
) -> dict[str, list[Reply]]:
    """Asks all workers the same, one at a time, round after round, each round beginning with another one.

    Args:
        workers: Whom to ask. One that fails is said to have, and left out from then on.
        request: What to ask.
        warm_up: Rounds whose answers do not count.
        rounds: Rounds whose answers do.

    Returns:
        The answers of each worker that did not fail, by its name.
    """
    replies: dict[str, list[Reply]] = {worker.name: [] for worker in workers}
    for number in range(-warm_up, rounds):
        order = [workers[(number + place) % len(workers)] for place in range(len(workers))]
        for worker in order:
            if worker.name not in replies:
                continue
            time.sleep(PAUSE_SECONDS)
            try:
                reply = worker.ask(**request)
            except WorkerError as error:
                print(error, file=sys.stderr)
                del replies[worker.name]
                continue
            counts = number >= 0
            said = f"round {number + 1} of {rounds}" if counts else "warm-up"
            print(f"  {said}: {worker.name} {reply['seconds']:.3f} s", file=sys.stderr, flush=True)
            if counts:
                replies[worker.name].append(reply)
    return replies
