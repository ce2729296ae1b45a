"""Functions at which a program kills itself with SIGKILL, as a lack of memory or power would."""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

Condition = Callable[..., bool]


def always(*arguments: Any, **keywords: Any) -> bool:
    return True


def die_after(owner: Any, name: str, times: int, counts: Condition = always) -> None:
    """Kills this process once a function has returned for the `times`-th time.

    Args:
        owner: Module or class that has the function.
        name: Name of the function.
        times: Number of calls.
        counts: Returns whether a call with these arguments counts.
    """
    _die(owner, name, times, counts, after=True)


def die_before(owner: Any, name: str, times: int, counts: Condition = always) -> None:
    """Kills this process where a function would begin for the `times`-th time; as `die_after`."""
    _die(owner, name, times, counts, after=False)


def _die(owner: Any, name: str, times: int, counts: Condition, *, after: bool) -> None:
    function, calls = getattr(owner, name), 0

    def counted(*arguments: Any, **keywords: Any) -> Any:
        nonlocal calls
        calls += counts(*arguments, **keywords)
        if calls < times:
            return function(*arguments, **keywords)
        if after:
            function(*arguments, **keywords)
        return os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, counted)


def run_forks(work: Callable[..., None]) -> None:
    """Calls a function in a fork of this process for each line of stdin, a JSON list of its arguments.

    The exit status of each is a line of stdout: 0 where the function returned.
    """
    for line in sys.stdin:
        process = os.fork()
        if not process:
            status = 1
            try:
                work(*json.loads(line))
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
