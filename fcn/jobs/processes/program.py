"""Program of a worker process, started by `fcn.jobs.processes.pool`: one more worker of a job.

It is told to stop by SIGTERM, or by the end of its stdin: then the command that started it was killed.
"""

import io
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Generator, Iterator
from contextlib import closing, redirect_stderr
from typing import BinaryIO

from fcn.errors import FcnError
from fcn.jobs.job import join_job
from fcn.jobs.processes.messages import Ended, Message, Notice, Progress, Ready, Request
from fcn.jobs.task import Outcome, Task
from fcn.jobs.worker import BatchProcessor, work
from fcn.system.stop_signals import StopSignals, end_process

_STOPPED = 128 + signal.SIGTERM


class _Parent:
    """The command that started this process; it is sent messages, from any thread."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        with self._lock:
            pickle.dump(message, self._stream)
            self._stream.flush()


class _Notices(io.TextIOBase):
    """A stream whose lines are sent to the parent, which prints them."""

    def __init__(self, parent: _Parent) -> None:
        self._parent, self._line = parent, ""

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._parent.send(Notice(line))
        return len(text)


def main() -> None:
    """Labels what the request on stdin asks for, beside other workers, until nothing is left to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and stops this process
    stop_signals = StopSignals()
    parent = _Parent(os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what native code prints is no message
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # a damaged file is reported once, by us
    code = 0
    try:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        request = pickle.load(sys.stdin.buffer)
        threading.Thread(target=_stop_at_end_of, args=(sys.stdin.buffer,), daemon=True).start()
        with redirect_stderr(_Notices(parent)):
            error = _label(request, parent)
        parent.send(Ended(error))
    except (SystemExit, BrokenPipeError):
        code = _STOPPED
    stop_signals.close()
    end_process(code)  # without waiting for threads of a backend


def _stop_at_end_of(stream: BinaryIO) -> None:
    stream.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _label(request: Request, parent: _Parent) -> Exception | None:
    """Labels until nothing is left to do; returns what prevents it."""
    try:
        predictor = request.open_predictor()
        with join_job(request.output, request.kinds, request.order) as job:
            job.limits = request.limits
            parent.send(Ready(job.lease.name, predictor.classes))
            job.check_engine(predictor.engine.name, predictor.engine.precision)
            work(job.store, job.lease, _reporting(job.processor(predictor), parent))
    except FcnError as error:
        return error
    except BrokenPipeError:
        raise
    except Exception:
        return RuntimeError(f"In a worker:\n{traceback.format_exc()}")
    return None


def _reporting(processor: BatchProcessor, parent: _Parent) -> BatchProcessor:
    """Returns a processor that also tells the parent of each batch once it is in the store."""

    def process(claims: Iterator[list[Task]]) -> Generator[list[Outcome], None, None]:
        with closing(processor(claims)) as batches:
            for outcomes in batches:
                yield outcomes
                labeled = tuple(outcome.id for outcome in outcomes if outcome.error is None)
                parent.send(Progress(labeled, len(outcomes)))

    return process
