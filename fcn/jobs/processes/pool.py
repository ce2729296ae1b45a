"""Labels a job in several processes of this machine, each a worker of the job as another command would be.

The workers share the store and write their labels themselves; if one dies, its images wait again, and another
takes its place. This process plans the job, tells what the workers say, and writes the summaries.
"""

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fcn.classes import Classes
from fcn.errors import BackendError
from fcn.jobs.helpers import MAX_OPENINGS, RESUME, OpenPredictor, died_while_opening
from fcn.jobs.job import Job, LabelingResult
from fcn.jobs.locks import lock_path
from fcn.jobs.processes.messages import Ended, Message, Notice, Progress, Ready, Request
from fcn.system.files import remove
from fcn.system.parallel import available_cores
from fcn.system.progress import track_count
from fcn.system.text import print_notice

_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from fcn.jobs.processes.program import main; main()"
_STOP_SECONDS = 10
"""Longest time that workers may take to stop; then they are killed."""
_MAX_DEATHS = 40
"""Deaths of workers in a row, with nothing labeled in between; then the images are not the cause. Before an
image has failed, some ten workers may die of it and its batch."""
_REMEDY = "If memory is short, use fewer workers (--workers) or a lower --memory"


def run_in_processes(
    job: Job, open_predictor: OpenPredictor, workers: int, begin: Callable[[], None] | None = None
) -> LabelingResult:
    """Labels all remaining images of a job in processes, then writes the summaries of all images.

    Args:
        job: The job.
        open_predictor: Opens the net that labels, in each process.
        workers: Number of processes.
        begin: Called first, since the workers begin with what waits then.

    Raises:
        BackendError: If workers cannot be started, are stopped by a signal, or die without end.
        FcnError: As raised by `Job.run` and `open_predictor`.
    """
    if begin is not None:
        begin()
    if not job.remaining():
        return job.run(open_predictor())
    pool = WorkerPool(job, open_predictor, workers)
    return job.complete(pool.label, pool.classes)


class _Worker:
    """A worker process.

    Attributes:
        process: The process.
        number: Its place among the workers.
        ready: What it said when it had opened the net; None before.
        ended: Its last message; None before.
    """

    def __init__(self, number: int, request: bytes, environment: Mapping[str, str]) -> None:
        self.number = number
        self.ready: Ready | None = None
        self.ended: Ended | None = None
        try:
            with _stop_signals_blocked():
                self.process = subprocess.Popen(
                    [sys.executable, "-P", "-c", _PROGRAM, *sys.path],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=dict(environment),
                )
        except OSError as error:
            raise BackendError(
                f"--workers: a process cannot be started ({error.strerror or error}). Allow more processes "
                "or memory, or use fewer workers."
            ) from error
        with suppress(OSError):  # it has died already
            self.stdin.write(request)
            self.stdin.flush()

    @property
    def stdin(self) -> Any:
        """Its standard input; it stops when that ends."""
        return self.process.stdin

    def read(self, messages: "queue.Queue[tuple[_Worker, Message | None]]") -> None:
        """Puts its messages into a queue until it ends, and then None; runs in a thread."""
        stream: Any = self.process.stdout
        try:
            with stream, suppress(EOFError, OSError, pickle.UnpicklingError):
                while True:
                    messages.put((self, pickle.load(stream)))
        finally:
            messages.put((self, None))


class WorkerPool:
    """The worker processes of a job.

    Args:
        job: The job.
        open_predictor: Opens the net that labels.
        workers: Number of processes.
    """

    def __init__(self, job: Job, open_predictor: OpenPredictor, workers: int) -> None:
        self._job = job
        output = Path(os.path.abspath(job.store.output))
        self._request = pickle.dumps(
            Request(open_predictor, output, job.kinds, job.order, job.limits), pickle.HIGHEST_PROTOCOL
        )
        self._environments = [_environment(number, workers) for number in range(workers)]
        self._messages: queue.Queue[tuple[_Worker, Message | None]] = queue.Queue()
        self._workers: list[_Worker] = []
        self._openings = [0] * workers
        self._deaths = 0
        self._printed: set[str] = set()
        self._classes: Classes | None = None

    def classes(self) -> Classes:
        """Returns the classes of the labels."""
        if self._classes is None:
            raise BackendError(f"--workers: no worker has opened the model. {RESUME}")
        return self._classes

    def label(self) -> set[int]:
        """Labels until nothing of the job is left to do; returns the rows of what the workers have labeled.

        Raises:
            BackendError: If workers are stopped by a signal or die without end.
            Exception: What a worker could not do.
        """
        labeled: set[int] = set()
        try:
            remaining = self._job.remaining
            with track_count("labeling", remaining(), remaining) as advance:
                for number in range(len(self._environments)):
                    self._start(number)
                while self._workers:
                    worker, message = self._messages.get()
                    if isinstance(message, Progress):
                        labeled.update(message.labeled)
                        self._deaths = 0
                        advance(message.finished)
                    else:
                        self._handle_message(worker, message)
            return labeled
        finally:
            self._stop()

    def _start(self, number: int) -> None:
        worker = _Worker(number, self._request, self._environments[number])
        self._workers.append(worker)
        threading.Thread(target=worker.read, args=(self._messages,), daemon=True).start()

    def _handle_message(self, worker: _Worker, message: Message | None) -> None:
        """Handles a message, or the end of a worker.

        Raises:
            BackendError: If workers are stopped by a signal or die without end.
            Exception: What the worker could not do.
        """
        if isinstance(message, Notice):
            if message.line not in self._printed:  # each worker may say it
                self._printed.add(message.line)
                print_notice(message.line)
        elif isinstance(message, Ready):
            worker.ready, self._classes = message, message.classes
            self._openings[worker.number] = 0
        elif isinstance(message, Ended):
            worker.ended = message
            if message.error is not None:
                raise message.error
        else:
            self._workers.remove(worker)
            code = _wait(worker.process, time.monotonic() + _STOP_SECONDS)
            with suppress(OSError):
                worker.stdin.close()
            if worker.ended is None:
                self._replace(worker, code)

    def _replace(self, worker: _Worker, code: int) -> None:
        """Starts a worker in the place of one that has died.

        Raises:
            BackendError: If it was told to stop, or workers die without end.
        """
        if code in (-signal.SIGTERM, 128 + signal.SIGTERM):
            raise BackendError(f"--workers: process {worker.process.pid} was stopped by SIGTERM. {RESUME}")
        if worker.ready is None:
            self._openings[worker.number] += 1
            if self._openings[worker.number] == MAX_OPENINGS:
                raise died_while_opening("--workers: a worker", _REMEDY)
        else:
            self._deaths += 1
            if self._deaths == _MAX_DEATHS:
                raise BackendError(
                    f"--workers: workers died {_MAX_DEATHS} times in a row without finishing an image. "
                    f"{_REMEDY}, and add --retry-failed. {RESUME}"
                )
        self._job.lease.take_over()
        if self._job.remaining():
            self._start(worker.number)

    def _stop(self) -> None:
        """Stops the workers that are left, in bounded time; what they had in hand waits again."""
        for worker in self._workers:
            worker.process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for worker in self._workers:
            _wait(worker.process, deadline)
            with suppress(OSError):
                worker.stdin.close()
            if worker.ready is not None:
                # Without its file it was told to stop, and its images did not crash it.
                remove(lock_path(self._job.store.output, worker.ready.worker))
        if self._workers:
            self._workers.clear()
            self._job.lease.take_over()


def _wait(process: "subprocess.Popen[bytes]", deadline: float) -> int:
    """Returns the exit code of a process that should have ended by a time; it is killed then."""
    try:
        return process.wait(max(0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _environment(number: int, workers: int) -> dict[str, str]:
    """Returns the environment of a worker: its share of the threads, and one of the GPUs."""
    threads = str(max(1, available_cores() // workers))
    shared = {"TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads}
    gpus = _visible_gpus(os.environ.get("CUDA_VISIBLE_DEVICES"), len([*Path("/dev").glob("nvidia[0-9]*")]))
    gpu = {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if len(gpus) > 1 else {}
    return shared | os.environ | gpu


def _visible_gpus(visible: str | None, devices: int) -> list[str]:
    """Returns the names of the GPUs that this process may use, as CUDA knows them.

    Args:
        visible: Value of `CUDA_VISIBLE_DEVICES`; None if it is not set.
        devices: Number of the GPUs that the system shows. CUDA numbers them from 0, whatever their files are
            called.

    Example:
        >>> _visible_gpus(None, 2), _visible_gpus("3,1", 4), _visible_gpus("", 4)
        (['0', '1'], ['3', '1'], [])
    """
    if visible is None:
        return [str(number) for number in range(devices)]
    return visible.split(",") if visible else []


@contextmanager
def _stop_signals_blocked() -> Iterator[None]:
    """Blocks stop signals for a process that is started meanwhile, until it is ready for them.

    It never lets SIGINT through, which comes from the terminal to all processes of a command at once.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
