"""Functions at which a program kills itself: with SIGKILL, as a lack of memory or power would, or SIGTERM."""

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Condition = Callable[..., bool]
TESTS = Path(__file__).parent


def always(*arguments: Any, **keywords: Any) -> bool:
    return True


def die_after(
    owner: Any,
    name: str,
    times: int,
    counts: Condition = always,
    number: signal.Signals = signal.SIGKILL,
) -> None:
    """Kills this process once a function has returned for the `times`-th time.

    Args:
        owner: Module or class that has the function.
        name: Name of the function.
        times: Number of calls.
        counts: Returns whether a call with these arguments counts.
        number: The signal. After one that is caught, the function goes on.
    """
    _die(owner, name, times, counts, number, after=True)


def die_before(
    owner: Any,
    name: str,
    times: int,
    counts: Condition = always,
    number: signal.Signals = signal.SIGKILL,
) -> None:
    """Kills this process where a function would begin for the `times`-th time; as `die_after`."""
    _die(owner, name, times, counts, number, after=False)


def _die(
    owner: Any, name: str, times: int, counts: Condition, number: signal.Signals, *, after: bool
) -> None:
    function, calls = getattr(owner, name), 0

    def counted(*arguments: Any, **keywords: Any) -> Any:
        nonlocal calls
        calls += counts(*arguments, **keywords)
        if calls != times:
            return function(*arguments, **keywords)
        if after:
            result = function(*arguments, **keywords)
            os.kill(os.getpid(), number)
            return result
        os.kill(os.getpid(), number)
        return function(*arguments, **keywords)

    setattr(owner, name, counted)


def gets_name(name: str) -> Condition:
    """Returns a condition that is true for an `os.replace` to this file name."""
    return lambda temporary, path: Path(path).name == name


def run_forks(work: Callable[..., None]) -> None:
    """Calls a function in a fork of this process for each line of stdin, a JSON list of its arguments.

    The exit status of each is a line of stdout: 0 where the function returned, its own for SystemExit.
    """
    for line in sys.stdin:
        process = os.fork()
        if not process:
            status = 1
            try:
                work(*json.loads(line))
                status = 0
            except SystemExit as stopped:
                status = stopped.code if isinstance(stopped.code, int) else 1
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


@contextmanager
def running_forks(program: str) -> Iterator[Callable[..., int]]:
    """Yields a function that runs a fork of a program, which calls `run_forks`, and returns its exit status.

    Args:
        program: Name of its file in this folder.
    """
    process = subprocess.Popen(
        [sys.executable, str(TESTS / program)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout

    def run(*arguments: Any) -> int:
        print(json.dumps(arguments), file=process.stdin, flush=True)
        return int(process.stdout.readline())  # type: ignore[union-attr]

    try:
        yield run
    finally:
        process.communicate(timeout=60)
