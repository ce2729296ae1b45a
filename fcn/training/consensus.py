"""How the processes that train one net together stop, so that none waits for one that is gone."""

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import numpy as np

from fcn.errors import FcnError
from fcn.training import devices


class StopConsensus:
    """What the processes agree on between two steps: whether to go on.

    A process may be told to stop, or fail, while the others go on to compute the next step, which they
    cannot do without it. So each brings an exit code to the end of a step, and all leave with the highest.

    Attributes:
        ended: Whether they have agreed to end.
    """

    def __init__(self) -> None:
        self.ended = False
        self._reached = True

    @contextmanager
    def pending(self) -> Iterator[None]:
        """Lets the others know in case this process fails in here, where they wait for it to agree."""
        self._reached = False
        try:
            yield
        except BaseException as error:
            if not self._reached:
                self.sync(_exit_code(error) or 1)  # 0 would say to go on
            raise

    def sync(self, exit_code: int) -> int:
        """Waits for all processes.

        Args:
            exit_code: What this one wishes to leave with; 0 to go on.

        Returns:
            What all have to leave with; 0 if all wish to go on.
        """
        self._reached = True
        highest = _highest(exit_code)
        self.ended = highest != 0
        return highest


@contextmanager
def stop_together() -> Iterator[StopConsensus]:
    """Does what all processes do together; one that fails without the others ends without them.

    They notice, and end too. JAX would have it wait minutes for them at its end, as they wait for it.
    """
    consensus = StopConsensus()
    try:
        yield consensus
    except BaseException as error:
        if devices.process()[1] > 1 and not consensus.ended:
            # What is registered last runs first: before JAX waits.
            atexit.register(_leave, _exit_code(error))
        raise


def _highest(number: int) -> int:
    """Returns the highest of the numbers that the processes bring."""
    if devices.process()[1] == 1:
        return number
    from jax.experimental import multihost_utils

    return int(np.max(multihost_utils.process_allgather(np.int32(number))))


def _exit_code(error: BaseException) -> int:
    """Returns what the command line exits with after an error."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, KeyboardInterrupt):
        return 130
    return error.exit_code if isinstance(error, FcnError) else 1


def _leave(exit_code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
