"""When a version that could not be loaded is tried again."""

import logging
import time
from pathlib import Path

from fcn.errors import FcnError
from fcn.runs.arrival import file_sizes

_LOG = logging.getLogger("fcn.server")
_FIRST_SECONDS, _LAST_SECONDS = 2.0, 60.0


class LoadRetries:
    """Times at which versions that could not be loaded are tried again.

    Each failure of a version doubles its wait.
    """

    def __init__(self) -> None:
        self._retry_at: dict[int, tuple[float, float]] = {}
        self._given_up: dict[int, dict[str, int]] = {}

    def may_load(self, number: int, path: Path) -> bool:
        """Returns whether a version may be loaded now."""
        if number in self._given_up and self._given_up[number] == file_sizes(path):
            return False
        return time.monotonic() >= self._retry_at.get(number, (0.0, 0.0))[0]

    def schedule(self, number: int, error: Exception) -> None:
        """Schedules the next try of a version, and logs why it could not be loaded."""
        _, last_wait = self._retry_at.get(number, (0.0, _FIRST_SECONDS / 2))
        wait = min(_LAST_SECONDS, 2 * last_wait)
        self._retry_at[number] = (time.monotonic() + wait, wait)
        _log(number, error, retry_seconds=wait)

    def give_up(self, number: int, path: Path, error: Exception) -> None:
        """Allows no further try of a version before its files change, and logs why."""
        self._given_up[number] = file_sizes(path)
        _log(number, error, retry="when its files change")

    def succeeded(self, number: int) -> None:
        """Forgets the failures of a version."""
        self._retry_at.pop(number, None)
        self._given_up.pop(number, None)


def _log(number: int, error: Exception, **fields: object) -> None:
    _LOG.error(
        "version could not be loaded",
        extra={"version": number, "error": str(error), **fields},
        exc_info=None if isinstance(error, FcnError) else error,
    )
