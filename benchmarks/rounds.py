"""Worker processes, each with a variant to time, and rounds in which they take turns.

A request to a worker is one line of JSON, and so is its reply. Everything else that it prints goes to a log,
which is shown if it fails.
"""

import json
import os
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

REPOSITORY = Path(__file__).resolve().parents[1]
LOG_LINES = 12
LAST_SECONDS = 10
"""Longest time of a measurement that starts just before the deadline."""
PAUSE_SECONDS = 0.2
"""Between two measurements, so that threads of the last one stop waiting for more work."""

Reply = dict[str, Any]


class WorkerError(RuntimeError):
    """A worker ended before it answered."""


class Worker:
    """A process that answers requests.

    Args:
        name: The name in tables.
        python: The Python to run it with.
        script: The script to run, in this folder.
        arguments: Arguments of the script.
        environment: Variables to add to those of this process.

    Attributes:
        failure: Why it ended before it answered; None if it has not failed.
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
        self.failure: str | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [python, str(Path(__file__).parent / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(paths)},
        )
        self._requests, self._replies = cast(
            "tuple[IO[str], IO[str]]", (self._process.stdin, self._process.stdout)
        )

    def ask(self, request: Mapping[str, Any], deadline: float | None = None) -> Reply:
        """Sends a request; returns the reply.

        Args:
            request: JSON values.
            deadline: When to give up, by `time.monotonic()`; None for never.

        Raises:
            WorkerError: If the worker does not reply; with the end of its output.
        """
        if self.failure:
            raise WorkerError(self.failure)
        seconds = None if deadline is None else max(deadline - time.monotonic(), LAST_SECONDS)
        line, reason = "", "failed"
        try:
            print(json.dumps(request), file=self._requests, flush=True)
            if select.select([self._replies], [], [], seconds)[0]:
                line = self._replies.readline()
            else:
                reason = f"did not answer within {seconds:.0f} seconds"
                self._process.kill()
        except BrokenPipeError:
            pass
        if not line:
            self._end()
            self._log.seek(0)
            printed = self._log.read().decode(errors="replace").splitlines()
            self.close()
            self.failure = "\n    ".join([f"{self.name} {reason}:", *printed[-LOG_LINES:]])
            raise WorkerError(self.failure)
        reply: Reply = json.loads(line)
        return reply

    def close(self) -> None:
        """Ends the process and frees its memory; may be called again."""
        self._end()
        self._replies.close()
        self._log.close()

    def _end(self) -> None:
        with suppress(BrokenPipeError):
            self._requests.close()  # what it waits for
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def answer(prepare: Callable[[], Callable[[Reply], Reply]]) -> None:
    """Answers all requests; called by the script of a worker.

    Args:
        prepare: Imports and builds the variant, and returns the function from request to reply. Each
            reply also gets "peak_bytes", the most memory the process has had.
    """
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # frameworks print too
    handle = prepare()
    for line in sys.stdin:
        reply = handle(json.loads(line))
        reply["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(reply), file=replies, flush=True)


def take_turns(
    workers: Sequence[Worker],
    request: Mapping[str, Any],
    warm_up: int,
    rounds: int,
    deadline: float | None = None,
) -> dict[str, list[Reply]]:
    """Sends one request to all workers, in turns, round after round; each round starts with another worker.

    Args:
        workers: The workers. If one fails, this is printed, and later rounds leave it out.
        request: The request.
        warm_up: Rounds before them that do not count.
        rounds: Rounds that count.
        deadline: When to stop starting rounds, by `time.monotonic()`; None for never.

    Returns:
        The replies of each worker that did not fail, by its name; fewer than `rounds`, or none, after the
        deadline.
    """
    replies: dict[str, list[Reply]] = {worker.name: [] for worker in workers}
    for number in range(-warm_up, rounds):
        if deadline is not None and time.monotonic() > deadline:
            break
        order = [workers[(number + place) % len(workers)] for place in range(len(workers))]
        for worker in order:
            if worker.name not in replies:
                continue
            time.sleep(PAUSE_SECONDS)
            try:
                reply = worker.ask(request, deadline)
            except WorkerError as error:
                print(error, file=sys.stderr, flush=True)
                del replies[worker.name]
                continue
            counts = number >= 0
            said = f"round {number + 1} of {rounds}" if counts else "warm-up"
            print(f"  {said}: {worker.name} {reply['seconds']:.4f} s", file=sys.stderr, flush=True)
            if counts:
                replies[worker.name].append(reply)
    return replies
