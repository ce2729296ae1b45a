"""The actors of a job: started when there is work for them, and started again when they die."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from fcn.errors import BackendError
from fcn.jobs.helpers import MAX_OPENINGS, RESUME, died_while_opening
from fcn.jobs.ray.cluster import Share
from fcn.jobs.ray.labeler import Labeler, Opened, Request, Result
from fcn.jobs.ray.work_queue import REMEDY, Work, WorkQueue
from fcn.system.text import counted, print_notice

_MAX_CALLS = 2
"""Calls that an actor has: the next waits there, so that it begins at once."""
_END_SECONDS = 10
"""Longest time that actors may take to end; then they are killed."""
_ROOM_SECONDS = 60
"""After so long without an open actor, a line says what is waited for."""


class _Call(NamedTuple):
    answers: Any  # references to the answers for the batches, as they come
    work: Work


class _Slot:
    """A place for one actor after another, and the calls of the present one, in order."""

    def __init__(self) -> None:
        self.actor: Any = None
        self.opening: Any = None  # reference to its first answer, until that has come
        self.deaths = 0  # in a row, while the model was opened
        self.calls: deque[_Call] = deque()

    @property
    def is_open(self) -> bool:
        """Whether its actor has opened the model."""
        return self.actor is not None and self.opening is None

    def head(self) -> Any:
        """Returns what the next answer of its actor comes from; None if there is no actor or no call."""
        if self.opening is not None:
            return self.opening
        return self.calls[0].answers if self.calls else None


class ActorPool:
    """The actors that work on a queue. An actor does its calls in order, so it died of the first of them.

    Args:
        request: The setup of all actors.
        share: The number of actors and their CPUs and GPUs.
        queue: What they label.
        check: Called with the first answer of each; raises if it must not label.
    """

    def __init__(
        self, request: Request, share: Share, queue: WorkQueue, check: Callable[[Opened], None]
    ) -> None:
        import ray

        self._ray = ray
        self._request, self._queue, self._check = request, queue, check
        self._class = ray.remote(num_cpus=share.cpus, num_gpus=share.gpus or None)(Labeler)
        self._slots = [_Slot() for _ in range(share.actors)]
        self._needs = "1 GPU" if share.gpus else counted(share.cpus, "CPU")
        self._has_waited = False
        errors = ray.exceptions
        self._deaths = (
            *(errors.RayActorError, errors.WorkerCrashedError, errors.OutOfMemoryError),
            *(errors.NodeDiedError, errors.ObjectLostError),
        )

    def results(self) -> Generator[Result, None, None]:
        """Yields the answers for all batches, as they come.

        Raises:
            BackendError: If actors die without end.
            Exception: What an actor answered.
        """
        try:
            while self._give_work():
                heads = {head: slot for slot in self._slots if (head := slot.head()) is not None}
                self._wait_for_one([*heads])
                # All that are ready, so that none has to wait for the others.
                ready, _ = self._ray.wait([*heads], num_returns=len(heads), timeout=0)
                for head in ready:
                    yield from self._read(heads[head])
            ended = [slot.actor.end.remote() for slot in self._slots if slot.is_open]
            if ended:
                self._ray.wait(ended, num_returns=len(ended), timeout=_END_SECONDS)
        finally:
            for slot in self._slots:
                self._end_actor(slot)

    def _wait_for_one(self, heads: list[Any]) -> None:
        """Waits for an answer, and says once what it waits for if no actor has found a place so far."""
        is_waiting = not self._has_waited and not any(slot.is_open for slot in self._slots)
        ready, _ = self._ray.wait(heads, num_returns=1, timeout=_ROOM_SECONDS if is_waiting else None)
        if not ready:
            self._has_waited = True
            print_notice(
                f"--ray: no actor with {self._needs} has opened the model after {_ROOM_SECONDS} s. If the "
                "cluster is busy, the job waits until there is room; Ctrl-C ends it, and the same command "
                "continues."
            )
            self._ray.wait(heads, num_returns=1)

    def _give_work(self) -> bool:
        """Gives each open actor its calls, and starts others; returns whether there is any work."""
        for number in range(_MAX_CALLS):
            for slot in self._slots:
                if slot.is_open and len(slot.calls) == number and (work := self._queue.take()):
                    slot.calls.append(_Call(slot.actor.label.remote(work.batches), work))
        missing = [slot for slot in self._slots if slot.actor is None]
        opening = sum(slot.opening is not None for slot in self._slots)
        # What waits for the actors that are opening is not given to them yet: a cluster may have no room.
        for slot in missing[: max(0, self._queue.waiting(opening + len(missing)) - opening)]:
            slot.actor = self._class.remote(self._request)
            slot.opening = slot.actor.open.remote()
        return any(slot.calls for slot in self._slots) or self._queue.waiting(1) > 0

    def _read(self, slot: _Slot) -> Iterator[Result]:
        """Reads the next answer of an actor; yields it if it is for a batch."""
        try:
            if slot.opening is not None:
                self._check(_raised(self._ray.get(slot.opening)))
                slot.opening, slot.deaths = None, 0
                return
            call = slot.calls[0]
            answer = next(call.answers, None)
            if answer is None:
                slot.calls.popleft()
                _check_complete(call.work)
                return
            result = _raised(self._ray.get(answer))
        except self._deaths as error:
            if getattr(error, "actor_init_failed", False):  # it has no such class: it would die each time
                raise
            yield from self._replace(slot)
            return
        slot.calls[0] = call._replace(work=call.work._replace(batches=call.work.batches[1:]))
        self._queue.note_success()
        yield result

    def _replace(self, slot: _Slot) -> Iterator[Result]:
        """Takes back what a dead actor had; yields the outcome of an image that is to blame.

        Raises:
            BackendError: If it is one of many images, or actors die when they are opened.
        """
        was_open = slot.is_open
        self._end_actor(slot)
        if not was_open:
            slot.deaths += 1
            if slot.deaths == MAX_OPENINGS:
                raise died_while_opening("--ray: an actor", REMEDY)
            return
        first, *others = [call.work for call in slot.calls]
        slot.calls.clear()
        for work in reversed(others):
            self._queue.put_back(work)
        # Without batches, it died after its last answer.
        if first.batches and (outcome := self._queue.count_death(first)):
            yield Result([], [outcome])

    def _end_actor(self, slot: _Slot) -> None:
        if slot.actor is not None:
            with suppress(self._ray.exceptions.RayError, ValueError):
                self._ray.kill(slot.actor)
        slot.actor = slot.opening = None


def _raised(answer: Any) -> Any:
    """Returns an answer; raises one that is an error.

    Raises:
        Exception: The answer.
    """
    if isinstance(answer, Exception):
        raise answer
    return answer


def _check_complete(work: Work) -> None:
    """Checks that a call that has ended has an answer for each batch.

    Raises:
        BackendError: If not.
    """
    if work.batches:
        raise BackendError(f"--ray: Ray gave no answer for {sum(map(len, work.batches))} images. {RESUME}")
