"""Time and memory of tasks, each in a process of its own, measured in alternating rounds."""

import multiprocessing
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple

from fcn.comparison.timed_process import Done, Failed, Ready, Task, run_on_request
from fcn.system.memory import available_bytes
from fcn.system.progress import track_count
from fcn.system.text import print_notice, print_step

WARM_UP = 2
"""Number of times that each task runs before it is timed: the first time compiles."""
ROUNDS = 7
"""Largest number of times that each task is timed; tasks take turns, so other load affects all."""
_FEWEST_ROUNDS = 3
_SECONDS = 30
"""After this time per task, only the smallest number of rounds is completed."""
_PAUSE_SECONDS = 0.1
"""Pause between two tasks, so that threads of the last one stop waiting for more work."""
_ROOM = 1.5
"""Free memory that another process needs, relative to the largest process so far."""


class Timing(NamedTuple):
    """Time and memory of a task.

    Attributes:
        seconds: Duration of each repetition, in order.
        peak_bytes: Peak memory of its process.
        idle_bytes: Memory of that process before it loaded anything.
    """

    seconds: tuple[float, ...]
    peak_bytes: int
    idle_bytes: int

    @property
    def median(self) -> float:
        """The median of the durations, in seconds."""
        return statistics.median(self.seconds)

    @property
    def added_bytes(self) -> int:
        """Peak memory beyond that of the idle process."""
        return self.peak_bytes - self.idle_bytes


def time_tasks(tasks: Mapping[str, Task], description: str) -> dict[str, Timing]:
    """Times tasks that take turns: all together, or in groups where the memory is too small for all.

    Args:
        tasks: What to time, by name. A task that fails is left out, with a warning on stderr.
        description: What is shown while it runs, as a present participle.

    Returns:
        Time and memory of each task, by name.
    """
    found: dict[str, Timing] = {}
    # All backends start first, so that nothing else runs while a task is timed.
    with ExitStack() as stack:
        waiting = [stack.enter_context(_process(name, task)) for name, task in tasks.items()]
        waiting = [process for process in waiting if process.wait()]
        count = len(waiting)
        with track_count(description, count * (WARM_UP + ROUNDS)) as advance:
            while waiting:
                group: list[_Process] = []
                while waiting and (not group or _has_room(group)):
                    process = waiting.pop(0)
                    number = f"{count - len(waiting)} of {count}"
                    print_step(f"{description.capitalize()}: {process.name}, {number}.")
                    if all(process.repeat() for _ in range(WARM_UP)):
                        group.append(process)
                        process.seconds.clear()
                    advance(WARM_UP)
                for members in _rounds(group):
                    for process in members:
                        time.sleep(_PAUSE_SECONDS)
                        process.repeat()
                    advance(len(members))
                found |= {one.name: one.timing() for one in group if not one.failed}
                for process in group:
                    process.end()
    return {name: found[name] for name in tasks if name in found}


class _Process:
    """A process for a task.

    Args:
        name: Of the task.
        task: The task.

    Attributes:
        name: Of the task.
        seconds: Duration of each repetition.
        peak_bytes: Its peak memory.
        failed: Whether the task failed.
    """

    def __init__(self, name: str, task: Task) -> None:
        self.name = name
        self.seconds: list[float] = []
        self.peak_bytes = 0
        self.failed = False
        self._idle_bytes = 0
        # A fork would inherit this process' memory, and a TensorFlow that hangs.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=run_on_request, args=(task, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def wait(self) -> bool:
        """Waits until it has started; returns whether it has."""
        self._receive()
        return not self.failed

    def repeat(self) -> bool:
        """Runs the task once more; returns whether it succeeded."""
        if not self.failed:
            with suppress(BrokenPipeError):
                self._connection.send(None)
            self._receive()
        return not self.failed

    def timing(self) -> Timing:
        """Returns time and memory."""
        return Timing(tuple(self.seconds), self.peak_bytes, self._idle_bytes)

    def end(self) -> None:
        """Ends it; may be called again."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _receive(self) -> None:
        try:
            answer = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            answer = Failed(f"its process ended with exit code {self._process.exitcode}")
        match answer:
            case Ready(idle):
                self._idle_bytes = idle
            case Done(seconds, peak):
                self.seconds.append(seconds)
                self.peak_bytes = peak
            case Failed(reason):
                self.failed = True
                print_notice(f"Warning: {self.name} could not be timed: {reason}")


@contextmanager
def _process(name: str, task: Task) -> Iterator[_Process]:
    process = _Process(name, task)
    try:
        yield process
    finally:
        process.end()


def _rounds(group: Sequence[_Process]) -> Iterator[list[_Process]]:
    """Yields the order of processes for each round; every round begins with another process."""
    began = time.monotonic()
    for number in range(ROUNDS):
        if number >= _FEWEST_ROUNDS and time.monotonic() - began > _SECONDS * len(group):
            return
        yield [group[(number + place) % len(group)] for place in range(len(group))]


def _has_room(group: Sequence[_Process]) -> bool:
    """Returns whether there is memory for one more process; True where that is unknown."""
    available = available_bytes()
    return available is None or available > _ROOM * max(process.peak_bytes for process in group)
