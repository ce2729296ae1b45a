"""Stops processes that train one net together, so that none waits for one that is gone."""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager

from fcn.errors import FcnError
from fcn.system.stop_signals import end_process
from fcn.training import devices


class StopConsensus:
    """An agreement of all processes, after each step, to continue or to stop.

    A process may get a signal, or fail, while the others compute the next step, which they cannot do without
    it. So each brings an exit code to the end of a step, and all exit with the highest.

    Attributes:
        ended: Whether they have agreed to stop.
    """

    def __init__(self) -> None:
        self.ended = False
        self._reached = True

    @contextmanager
    def pending(self) -> Iterator[None]:
        """Tells the others if this process fails in the block, while they wait for it in `sync`."""
        self._reached = False
        try:
            yield
        except BaseException as error:
            if not self._reached:
                self.sync(_exit_code(error) or 1)  # 0 would mean to continue
            raise

    def sync(self, exit_code: int) -> int:
        """Waits for all processes.

        Args:
            exit_code: Exit code this process asks for; 0 to continue.

        Returns:
            The exit code for all; 0 if all continue.
        """
        self._reached = True
        highest = devices.highest(exit_code)
        self.ended = highest != 0
        return highest


@contextmanager
def stop_together() -> Iterator[StopConsensus]:
    """Runs a block in all processes together; a process that fails on its own exits without waiting.

    The others notice and exit too. JAX would make it wait minutes for them at exit, as they wait for it.
    """
    consensus = StopConsensus()
    try:
        yield consensus
    except BaseException as error:
        if devices.process()[1] > 1 and not consensus.ended:
            # Functions that are registered last run first: before JAX waits.
            atexit.register(end_process, _exit_code(error))
        raise


def _exit_code(error: BaseException) -> int:
    """Returns the exit code of the command line after an error."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, KeyboardInterrupt):
        return 130
    return error.exit_code if isinstance(error, FcnError) else 1
