"""How long things take and what memory they need, each in a process of its own, in rounds taken in turn."""

import multiprocessing
import re
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from fcn.comparison.timed_process import Done, Failed, Ready, Task, do_when_asked
from fcn.system.progress import progress_bar

WARM_UP = 2
"""Times each thing is done before any is timed: the first compiles."""
ROUNDS = 7
"""Times each is timed, one after the other, so that all see the same machine."""
_FEWEST_ROUNDS = 3
_SECONDS = 30
"""After this time for each, no round begins that is not among the fewest."""
_PAUSE_SECONDS = 0.1
"""Between two, so that threads of the last stop waiting for more work."""
_ROOM = 1.5
"""Free memory, relative to the largest process so far, that another one may be started in."""
_MEMORY = Path("/proc/meminfo")


class Timing(NamedTuple):
    """What something took.

    Attributes:
        seconds: Each time it was done, in order.
        peak_bytes: The most memory its process had, with what it loaded.
        idle_bytes: What that process had before it loaded anything.
    """

    seconds: tuple[float, ...]
    peak_bytes: int
    idle_bytes: int

    @property
    def median(self) -> float:
        """The middle of the times, in seconds."""
        return statistics.median(self.seconds)

    @property
    def added_bytes(self) -> int:
        """The most memory it took beyond what its process had anyway."""
        return self.peak_bytes - self.idle_bytes


def time_tasks(tasks: Mapping[str, Task], description: str) -> dict[str, Timing]:
    """Times tasks in turn: all together, or in groups where the memory is too small for all.

    Args:
        tasks: What to time, by name. One that fails is said to have on stderr, and left out.
        description: What is being done, as a present participle.

    Returns:
        What each took, by name.
    """
    found: dict[str, Timing] = {}
    # First all backends start, so that nothing else goes on when something is timed.
    with ExitStack() as stack:
        waiting = [stack.enter_context(_process(name, task)) for name, task in tasks.items()]
        waiting = [process for process in waiting if process.wait()]
        with progress_bar() as bar:
            shown = bar.add_task(description, total=len(waiting) * (WARM_UP + ROUNDS))
            while waiting:
                group: list[_Process] = []
                while waiting and (not group or _has_room(group)):
                    process = waiting.pop(0)
                    if all(process.ask() for _ in range(WARM_UP)):
                        group.append(process)
                        process.seconds.clear()
                    bar.advance(shown, WARM_UP)
                for members in _rounds(group):
                    for process in members:
                        time.sleep(_PAUSE_SECONDS)
                        process.ask()
                    bar.advance(shown, len(members))
                found |= {one.name: one.timing() for one in group if not one.failed}
                for process in group:
                    process.end()
    return {name: found[name] for name in tasks if name in found}


class _Process:
    """A process that does a task.

    Args:
        name: Of the task.
        task: What to do.

    Attributes:
        seconds: How long it took each time.
        peak_bytes: The most memory it had.
        failed: Whether it cannot be asked any more.
    """

    def __init__(self, name: str, task: Task) -> None:
        self.name = name
        self.seconds: list[float] = []
        self.peak_bytes = 0
        self.failed = False
        self._idle_bytes = 0
        # A fork would have this process' memory, and a TensorFlow that hangs.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=do_when_asked, args=(task, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def wait(self) -> bool:
        """Returns whether it has started."""
        self._receive()
        return not self.failed

    def ask(self) -> bool:
        """Has it done once; returns whether it was."""
        if not self.failed:
            with suppress(BrokenPipeError):
                self._connection.send(None)
            self._receive()
        return not self.failed

    def timing(self) -> Timing:
        """Returns what it took."""
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
                print(f"Warning: {self.name} could not be timed: {reason}", file=sys.stderr)


@contextmanager
def _process(name: str, task: Task) -> Iterator[_Process]:
    process = _Process(name, task)
    try:
        yield process
    finally:
        process.end()


def _rounds(group: Sequence[_Process]) -> Iterator[list[_Process]]:
    """Yields whom to ask one after the other, each round beginning with another one."""
    began = time.monotonic()
    for number in range(ROUNDS):
        if number >= _FEWEST_ROUNDS and time.monotonic() - began > _SECONDS * len(group):
            return
        yield [group[(number + place) % len(group)] for place in range(len(group))]


def _has_room(group: Sequence[_Process]) -> bool:
    """Returns whether there is memory for one more of the kind; where nobody knows, there is."""
    if not _MEMORY.exists() or not (found := re.search(r"MemAvailable:\s*(\d+) kB", _MEMORY.read_text())):
        return True
    return int(found[1]) * 1024 > _ROOM * max(process.peak_bytes for process in group)
