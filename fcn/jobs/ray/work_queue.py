"""The queue of work for actors, and the rules for work that they die of.

Work that two actors died of is divided: several batches into single ones, a batch into its images. An image
that two actors died of alone has failed, and the job continues.
"""

import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from fcn.errors import BackendError
from fcn.jobs.helpers import RESUME
from fcn.jobs.sources.links import is_url
from fcn.jobs.task import Outcome, Task

REMEDY = "If memory is short, use fewer actors (--actors) or a lower --memory"

_MAX_BATCHES = 8
"""Batches that an actor is given at once; it reads ahead within them."""
_SHARES = 4
"""Parts in which each actor is given what is left, so that all end at about the same time."""
_MAX_DEATHS = 2
"""Most actors that may die of the same batches, batch or image."""
_MAX_BLAMED = 10
"""Images in a row that actors died of, with none labeled in between; then the images are not the cause."""


class Work(NamedTuple):
    """Batches that an actor is given at once.

    Attributes:
        batches: The batches that are not answered yet, in order.
        deaths: How many actors died of them.
    """

    batches: tuple[list[Task], ...]
    deaths: int = 0


class WorkQueue:
    """The work of a job: batches from its store, and before them what actors died of.

    Args:
        batches: Batches of images as they are claimed; taken when an actor is free.
        images: About how many images there are in them.
        actors: Number of actors.
    """

    def __init__(self, batches: Iterator[list[Task]], images: int, actors: int) -> None:
        self._batches, self._images, self._actors = batches, images, actors
        self._returned: deque[Work] = deque()
        self._blamed = 0

    def take(self) -> Work | None:
        """Returns the next work; None if there is none now."""
        return self._returned.popleft() if self._returned else self._take_new()

    def _take_new(self) -> Work | None:
        wanted = max(1, self._images // (_SHARES * self._actors))
        taken: list[list[Task]] = []
        while len(taken) < _MAX_BATCHES and sum(map(len, taken)) < wanted:
            batch = next(self._batches, None)
            if batch is None:
                break
            taken.append(batch)
        self._images -= sum(map(len, taken))
        return Work(tuple(taken)) if taken else None

    def waiting(self, most: int) -> int:
        """Returns how much work can be taken, at most `most` times."""
        while len(self._returned) < most and (work := self._take_new()):
            self._returned.append(work)
        return min(most, len(self._returned))

    def put_back(self, work: Work) -> None:
        """Returns work to the queue that an actor has not started."""
        self._returned.appendleft(work)

    def note_success(self) -> None:
        """Notes that an actor has answered: not every image kills."""
        self._blamed = 0

    def count_death(self, work: Work) -> Outcome | None:
        """Takes work back that an actor died of; returns the outcome of an image that is to blame.

        Raises:
            BackendError: If too many images in a row were.
        """
        deaths = work.deaths + 1
        if deaths < _MAX_DEATHS:
            parts = [work._replace(deaths=deaths)]
        elif len(work.batches) > 1:
            parts = [Work((batch,)) for batch in work.batches]
        elif len(work.batches[0]) > 1:
            parts = [Work(([task],)) for task in work.batches[0]]
        else:
            return self._blame(work.batches[0][0])
        self._returned.extendleft(reversed(parts))
        return None

    def _blame(self, task: Task) -> Outcome:
        self._blamed += 1
        if self._blamed > _MAX_BLAMED:
            raise BackendError(
                f"--ray: actors died of {self._blamed} images in a row, the last of them {task.path!r}. "
                f"{REMEDY}, and add --retry-failed. {RESUME}"
            )
        outcome = Outcome(
            task.id,
            f"crashed its process {_MAX_DEATHS} times while it was labeled alone (perhaps out of memory). "
            "Replace it; or use fewer actors (--actors) or a lower --memory, then add --retry-failed.",
        )
        with suppress(OSError):
            if not is_url(task.place):  # it waits again once its file changes
                status = os.stat(task.place)
                outcome = outcome._replace(size=status.st_size, changed=status.st_mtime_ns)
        return outcome
