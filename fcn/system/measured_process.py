"""Does a task in a process of its own, measures the memory that it takes, and keeps it within a limit.

The process is a program that is started, not a fork or a spawn of `multiprocessing`: it inherits no memory,
and the script of a program that calls this need not guard its main module.
"""

import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from fcn.errors import BackendError, FcnError
from fcn.system.memory import peak_bytes
from fcn.system.progress import LINE_SECONDS
from fcn.system.text import print_notice

T = TypeVar("T")

_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from fcn.system.measured_program import main; main()"
_POLL_SECONDS = 0.1
_LAST_LINES = 3


class Measurement(NamedTuple, Generic[T]):
    """A task that was done.

    Attributes:
        result: What it returned.
        peak_bytes: Peak memory of its process; None where the system does not tell.
    """

    result: T
    peak_bytes: int | None


class MemoryLimitError(Exception):
    """A task that took more memory than it may, and was ended.

    Args:
        peak_bytes: What it took when it was ended; None if it ended by itself.
    """

    def __init__(self, peak_bytes: int | None) -> None:
        super().__init__(peak_bytes)
        self.peak_bytes = peak_bytes


def measure(
    task: Callable[[], T], limit_bytes: float | None = None, doing: str | None = None
) -> Measurement[T]:
    """Does a task in a process of its own.

    Args:
        task: What to do; it and its result can be pickled.
        limit_bytes: The most memory that its process may take.
        doing: What it does, to print every half minute how long that has taken; None: nothing is printed.

    Raises:
        BackendError: If the process cannot be started, or ends without a result.
        FcnError: What the task raises.
        MemoryLimitError: If it takes more memory, or the system has not as much.

    Example:
        >>> measure(dict).result
        {}
    """
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        except OSError as error:
            raise BackendError(
                f"A process to measure in cannot be started ({error.strerror or error}). Allow more "
                "processes or memory, then try again."
            ) from error
        with process:
            try:
                answer = _wait(process, pickle.dumps(task), limit_bytes, doing)
            except BaseException:
                process.kill()
                raise
        if process.returncode or not answer:
            errors.seek(0)
            raise _failure(process.returncode, errors.read().decode(errors="backslashreplace"))
    result, peak = pickle.loads(answer)
    if isinstance(result, FcnError):
        raise result
    if limit_bytes is not None and peak is not None and peak > limit_bytes:
        raise MemoryLimitError(peak)
    return Measurement(result, peak)


def _wait(
    process: subprocess.Popen[bytes], request: bytes, limit_bytes: float | None, doing: str | None
) -> bytes:
    """Returns the answer of a process, and looks at its memory while it works."""
    pending: bytes | None = request
    began = printed = time.monotonic()
    while True:
        try:
            return process.communicate(pending, timeout=_POLL_SECONDS)[0]
        except subprocess.TimeoutExpired:
            pending = None
        taken = peak_bytes(process.pid)
        if limit_bytes is not None and taken is not None and taken > limit_bytes:
            raise MemoryLimitError(taken)
        now = time.monotonic()
        if doing is not None and now - printed > LINE_SECONDS:
            print_notice(f"{doing}: {now - began:.0f} s so far")
            printed = now


def _failure(exit_code: int, errors: str) -> Exception:
    """Returns the error for a process without an answer; the system kills (-9) one that is too large."""
    lacks = ("MemoryError", "ResourceExhausted", "RESOURCE_EXHAUSTED", "OutOfMemory", "bad_alloc")
    if exit_code == -9 or any(word in errors for word in lacks):
        return MemoryLimitError(None)
    lines = [line for line in errors.splitlines() if line.strip()][-_LAST_LINES:]
    return BackendError(
        f"The process to measure in ended with exit code {exit_code}:", *(f"  {line}" for line in lines)
    )
