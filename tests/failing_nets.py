"""Nets that cannot be opened, for workers and actors, which find them by name in this module."""

import os
import signal

from fcn.errors import RunError
from fcn.inference.predictor import Predictor


def deadly(seconds: float) -> Predictor:
    """Kills the process, as a lack of memory would."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def refused(seconds: float) -> Predictor:
    raise RunError("net.keras: does not exist.")


def broken(seconds: float) -> Predictor:
    raise ZeroDivisionError("a bug")
