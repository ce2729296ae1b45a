"""SIGTERM and Ctrl-C end a command, but never in the middle of an import."""

import atexit
import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

_IMPORTS = "<frozen importlib"
_WAIT_SECONDS = 0.05
_LOOK_SECONDS = 0.5


class StopSignals:
    """Raises SystemExit on SIGTERM, with exit code 143, and KeyboardInterrupt on Ctrl-C.

    A module may catch whatever is raised while it is imported, and go on. A signal that comes meanwhile is
    therefore remembered until the import ends. Other code can do so as well: Python itself drops what is
    raised in a destructor. Therefore it is raised again each half second, unless it is being handled just
    then: what cleans up is not disturbed. When all is cleaned up the process ends at once, since Python
    would first end each thread that returns to it from native code, which aborts some libraries. To be
    created in the main thread, where the work begins, before what registers functions for the end.

    Attributes:
        exit_code: 128 and the number of the signal that has come; 0 before one has.
    """

    def __init__(self) -> None:
        self.exit_code = 0
        self._begin = sys._getframe(1)
        self._stop: signal.Signals | None = None
        self._raised: BaseException | None = None
        self._before: Any = None
        atexit.register(self._end)  # what is registered first runs last
        signal.signal(signal.SIGTERM, self._on_signal)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._on_signal)

    def close(self) -> None:
        """Raises nothing more for a signal that has come; the command ends now."""
        if self.exit_code == 0:
            atexit.unregister(self._end)
        if self._stop is not None and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)
        self._stop = None

    def _end(self) -> None:
        if self.exit_code != 0:
            end_process(self.exit_code)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        stop = signal.Signals(number)
        self.exit_code = 128 + stop
        if not hasattr(signal, "setitimer"):
            self._raise(stop)
        if self._stop is None:
            self._before = signal.signal(signal.SIGALRM, self._on_alarm)
        self._stop = stop
        if self._is_importing(frame):
            signal.setitimer(signal.ITIMER_REAL, _WAIT_SECONDS)
        else:
            self._raise(stop)

    def _on_alarm(self, _: int, frame: FrameType | None) -> None:
        if self._stop is None:
            return
        if self._is_importing(frame):
            signal.setitimer(signal.ITIMER_REAL, _WAIT_SECONDS)
        elif self._is_handled():
            signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS)
        else:
            self._raise(self._stop)

    def _raise(self, stop: signal.Signals) -> NoReturn:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS)
        self._raised = KeyboardInterrupt() if stop is signal.SIGINT else SystemExit(self.exit_code)
        raise self._raised

    def _is_handled(self) -> bool:
        """Returns whether what was raised is on its way: the interrupted code handles it or cleans up."""
        error = sys.exception()
        while error is not None:
            if error is self._raised:
                return True
            error = error.__context__
        return False

    def _is_importing(self, frame: FrameType | None) -> bool:
        while frame is not None and frame is not self._begin:
            if frame.f_code.co_filename.startswith(_IMPORTS):
                return True
            frame = frame.f_back
        return False


def end_process(exit_code: int) -> NoReturn:
    """Prints what is still to be printed, and ends this process without waiting for its threads."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # what reads it has ended, or it is closed
            stream.flush()
    os._exit(exit_code)
