"""Shared rules of the processes and actors that label a job for the command that was started."""

from collections.abc import Callable

from fcn.errors import BackendError
from fcn.inference.predictor import Predictor

OpenPredictor = Callable[[], Predictor]
"""Opens the net that labels; a module-level function or a `partial` of one, so that it can be pickled."""

MAX_OPENINGS = 4
"""Most starts of a process that dies while it opens the model."""

RESUME = "Finished labels stay; run the same command again to continue."


def died_while_opening(who: str, remedy: str) -> BackendError:
    """Returns the error to raise when a process has died too often while it opened the model.

    Args:
        who: The option, and the process that died.
        remedy: A sentence without its full stop.
    """
    return BackendError(f"{who} died {MAX_OPENINGS} times while the model was opened. {remedy}. {RESUME}")
