"""Opens stores of version 3 and kills itself meanwhile, once for each line of stdin: JSON of [POINT, OUTPUT].

A point is one of `POINTS`, or a number of seconds.

Each is a fork of this process, which has imported everything; its exit status is a line of stdout.
"""

import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deaths import die_after, die_before, run_forks

import fcn.jobs.migration
import fcn.jobs.store
from fcn.jobs.store import JobStore


def die_at_statement(start: str) -> None:
    """Kills this process after its store has run a statement that starts so."""

    class Connection(sqlite3.Connection):
        def execute(self, statement: str, *arguments: object) -> sqlite3.Cursor:  # type: ignore[override]
            result = super().execute(statement, *arguments)  # type: ignore[arg-type]
            if statement.startswith(start):
                os.kill(os.getpid(), signal.SIGKILL)
            return result

    connect = sqlite3.connect
    sqlite3.connect = lambda *paths, **options: connect(*paths, **options, factory=Connection)  # type: ignore


def die_before_commit() -> None:
    transaction = JobStore.transaction

    @contextmanager
    def without_commit(store: JobStore) -> Iterator[None]:
        with transaction(store):
            yield
            os.kill(os.getpid(), signal.SIGKILL)

    JobStore.transaction = without_commit  # type: ignore[method-assign]


POINTS = {
    "before the copy gets its name": lambda: die_before(os, "replace", 1),
    "the copy is there": lambda: die_after(os, "replace", 1),
    "the column is there": lambda: die_at_statement("ALTER"),
    "the version is written": lambda: die_at_statement("PRAGMA user_version ="),
    "before the commit": die_before_commit,
    "after the commit": lambda: die_before(fcn.jobs.store, "check_store", 1),
}
"""Where a store may be killed while it is brought up to date."""


def work(point: str | float, output: str) -> None:
    if isinstance(point, str):
        POINTS[point]()
    else:
        threading.Timer(point, os.kill, (os.getpid(), signal.SIGKILL)).start()
    JobStore(Path(output)).close()


if __name__ == "__main__":
    run_forks(work)
