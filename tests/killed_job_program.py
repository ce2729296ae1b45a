"""Workers of jobs that kill themselves, one for each line of stdin: JSON of [POINT, TIMES, OUTPUT, INPUT].

A worker dies with SIGKILL when it comes to a point for the TIMES-th time; each point is a moment in which the
output folder and the job's store do not agree, or are about to change. Each is a fork of this process, which
has imported everything; its exit status is a line of stdout.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deaths import die_after, die_before, run_forks
from job_program import run_job

import fcn.jobs.plan
import fcn.jobs.worker
from fcn.jobs.store import JobStore
from fcn.jobs.worker_lease import WorkerLease


def die_before_commit(owner: Any, name: str, times: int) -> None:
    """Kills this process when all of a function's transaction is done but its COMMIT."""
    function, transaction, calls = getattr(owner, name), JobStore.transaction, 0

    @contextmanager
    def without_commit(store: JobStore) -> Iterator[None]:
        with transaction(store):
            yield
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(*arguments: Any, **keywords: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == times:
            JobStore.transaction = without_commit  # type: ignore[method-assign]
        return function(*arguments, **keywords)

    setattr(owner, name, counted)


POINTS: dict[str, tuple[Callable[[Any, str, int], None], Any, str]] = {
    "joining, its lock file is there": (die_before_commit, WorkerLease, "acquire"),
    "planning, before the commit": (die_after, fcn.jobs.plan, "_merge"),
    "after a claim": (die_after, JobStore, "claim"),
    "before a file gets its name": (die_before, os, "replace"),
    "after a file was written": (die_after, os, "replace"),
    "finishing a batch, before the commit": (die_before_commit, JobStore, "finish"),
    "after a batch was finished": (die_after, JobStore, "finish"),
    "when all is done": (die_before, WorkerLease, "release"),
}
"""Where a job may be killed: how, and at which function of what."""


def work(point: str, times: int, output: str, folder: str) -> None:
    how, owner, name = POINTS[point]
    how(owner, name, times)
    run_job(Path(output), Path(folder), batch_size=3)


if __name__ == "__main__":
    run_forks(work)
