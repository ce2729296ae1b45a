"""Works on a job: claims batches, labels them and stores their outcomes until nothing waits."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

from fcn.jobs.store import JobStore
from fcn.jobs.task import Outcome, Task
from fcn.jobs.worker_lease import WorkerLease

_POLL_SECONDS = 0.3

BatchProcessor = Callable[[Iterator[list[Task]]], Generator[list[Outcome], None, None]]
"""Labels claimed batches and writes their outputs; yields the outcomes of each batch, in any order."""


def work(
    store: JobStore,
    lease: WorkerLease,
    processor: BatchProcessor,
    advance: Callable[[int], object] | None = None,
) -> set[int]:
    """Labels until nothing of a job is left to do, for this worker or another.

    Waits for batches that other workers have claimed, and takes them over if these workers die.

    Args:
        store: The store of the job.
        lease: This worker.
        processor: Labels the batches.
        advance: Called with the number of images and videos of each batch once it is in the store.

    Returns:
        The images and videos that this worker labeled, as their rows in the store.

    Raises:
        OutputError: If an output or the store cannot be written. Finished labels stay.
    """
    labeled: set[int] = set()

    def claims() -> Iterator[list[Task]]:
        while claimed := store.claim(lease.name):
            yield claimed

    while True:
        lease.take_over()
        idle = True
        with closing(processor(claims())) as batches:
            for outcomes in batches:
                idle = False
                store.finish(lease.name, outcomes)
                labeled.update(outcome.id for outcome in outcomes if outcome.error is None)
                if advance is not None:
                    advance(len(outcomes))
        if not store.count("waiting", "doing"):
            return labeled
        if idle:
            time.sleep(_POLL_SECONDS)
