"""SIGTERM and Ctrl-C end a command, but never in the middle of an import."""

import signal
import sys
from types import FrameType
from typing import Any, NoReturn

_IMPORTS = "<frozen importlib"
_WAIT_SECONDS = 0.05


class StopSignals:
    """Raises SystemExit on SIGTERM, with exit code 143, and KeyboardInterrupt on Ctrl-C.

    A module may catch whatever is raised while it is imported, and go on. A signal that comes meanwhile is
    therefore remembered until the import ends. To be created in the main thread, where the work begins.

    Attributes:
        exit_code: 128 and the number of the signal that has come; 0 before one has.
    """

    def __init__(self) -> None:
        self.exit_code = 0
        self._begin = sys._getframe(1)
        self._waiting: signal.Signals | None = None
        self._before: Any = None
        signal.signal(signal.SIGTERM, self._on_signal)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        stop = signal.Signals(number)
        self.exit_code = 128 + stop
        if not self._is_importing(frame) or not hasattr(signal, "setitimer"):
            self._raise(stop)
        if self._waiting is None:
            self._before = signal.signal(signal.SIGALRM, self._on_alarm)
        self._waiting = stop
        signal.setitimer(signal.ITIMER_REAL, _WAIT_SECONDS)

    def _on_alarm(self, _: int, frame: FrameType | None) -> None:
        if self._waiting is None:
            return
        if self._is_importing(frame):
            signal.setitimer(signal.ITIMER_REAL, _WAIT_SECONDS)
        else:
            self._raise(self._waiting)

    def _raise(self, stop: signal.Signals) -> NoReturn:
        if self._waiting is not None:
            self._waiting = None
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)
        if stop is signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(self.exit_code)

    def _is_importing(self, frame: FrameType | None) -> bool:
        while frame is not None and frame is not self._begin:
            if frame.f_code.co_filename.startswith(_IMPORTS):
                return True
            frame = frame.f_back
        return False
