"""The workers of a job: which processes label it, and which of them have died."""

import os
import platform
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fcn.errors import OutputError
from fcn.jobs.crash_isolation import count_crashes, release_claims
from fcn.jobs.integrity import output_path
from fcn.jobs.locks import is_locked, lock_path, open_lock
from fcn.jobs.store import JobStore
from fcn.system.files import partial_files, remove, unwritable

# The name that `fcn.system.files` gives to a file while it is written.
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp(\..*)?", re.DOTALL)


class WorkerLease:
    """This process as one of the workers of a job.

    Each worker holds a lock of the operating system on a file of its own. The lock ends with the process,
    however that ends; a process id alone may belong to another process by then. On file systems without
    locks every other worker counts as dead, so only one process may work there.

    Args:
        store: The store of the job.

    Attributes:
        name: Unique name of this worker.
    """

    def __init__(self, store: JobStore) -> None:
        self.name = secrets.token_hex(8)
        self._store = store
        self._lock = open_lock(self._lock_path(self.name))

    def acquire(self) -> None:
        """Registers this process; if no other worker is alive, cleans up after those that died.

        Raises:
            OutputError: If the folder cannot be written to, or a worker on another machine is alive.
        """
        host = platform.node()
        with self._store.transaction():  # no other worker sees the file before it is locked
            self._lock_own_file()
            self._forget_dead_workers()
            rows = self._store.connection.execute("SELECT * FROM workers WHERE host <> ?", (host,)).fetchall()
            for row in rows:
                if self._is_alive(row["name"]):
                    raise OutputError(
                        f"{self._store.output}: is being labeled by process {row['process']} on "
                        f"{row['host']}. Workers that share a job must run on one machine. Start this one "
                        "there, or choose another output folder."
                    )
            self._store.connection.execute(
                "INSERT INTO workers (name, host, process, began) VALUES (?, ?, ?, ?)",
                (self.name, host, os.getpid(), time.time()),
            )

    def release(self) -> None:
        """Makes unfinished images wait again, if the disk has room for that, and unregisters this process."""
        with suppress(OutputError):
            self._store.release(self.name)
            with self._store.transaction():
                self._forget_dead_workers()
                self._store.connection.execute("DELETE FROM workers WHERE name = ?", (self.name,))
        self._lock.release()
        remove(self._lock_path(self.name))

    def other_workers(self) -> list[str]:
        """Returns the names of the other workers that are alive. To be called in a transaction."""
        with self._store.guarded():
            rows = self._store.connection.execute("SELECT name FROM workers").fetchall()
        return [row["name"] for row in rows if row["name"] != self.name and self._is_alive(row["name"])]

    def take_over(self) -> int:
        """Makes images wait again that dead workers had claimed; returns how many."""
        with self._store.transaction():
            rows = self._store.connection.execute("SELECT name FROM workers").fetchall()
            return self._release_claims_of([row["name"] for row in rows if not self._is_alive(row["name"])])

    def _release_claims_of(self, dead: list[str]) -> int:
        connection = self._store.connection
        for name in dead:
            # A worker that was told to stop has removed its file, even if a full disk kept its claims.
            if self._lock_path(name).exists():
                count_crashes(connection, self._store.output, name)
        return sum(release_claims(connection, name) for name in dead)

    def _lock_own_file(self) -> None:
        """Makes this worker's file and locks it.

        Raises:
            OutputError: If the file cannot be made.
        """
        path = self._lock_path(self.name)
        try:
            self._lock.acquire(blocking=False)
        except OSError as error:
            if not path.exists():
                raise unwritable(path, error) from error
            # The file is there: the file system has no locks.

    def _forget_dead_workers(self) -> None:
        """Forgets dead workers; if no other is alive, also removes the partial files they left."""
        connection = self._store.connection
        rows = connection.execute("SELECT name FROM workers WHERE name <> ?", (self.name,)).fetchall()
        dead = [row["name"] for row in rows if not self._is_alive(row["name"])]
        known = {self.name, *(row["name"] for row in rows)}
        for path in self._store.output.glob(".fcn-job.*.lock"):
            name = path.name.split(".")[2]
            # Its worker was killed while it registered or unregistered.
            if name not in known and not self._is_alive(name):
                remove(path)
        if not dead or len(dead) < len(rows):
            return  # others may be writing; the last of them cleans up
        folders = [row["path"] for row in connection.execute("SELECT path FROM folders")]
        for folder in {b"", *folders}:
            # A name in the folder, so that the folder must not be a link either.
            place = output_path(self._store.output, os.path.join(os.fsdecode(folder), ".tmp")).parent
            for path in partial_files(place):
                if _TEMPORARY.fullmatch(path.name):
                    remove(path)
        self._release_claims_of(dead)
        connection.executemany("DELETE FROM workers WHERE name = ?", [(name,) for name in dead])
        for name in dead:
            remove(self._lock_path(name))

    def _is_alive(self, name: str) -> bool:
        """Returns whether a worker holds its lock. To be called in a transaction."""
        return name == self.name or is_locked(self._lock_path(name))

    def _lock_path(self, name: str) -> Path:
        return lock_path(self._store.output, name)


@contextmanager
def leased_worker(store: JobStore) -> Iterator[WorkerLease]:
    """Registers this process as a worker of a job while the block runs."""
    lease = WorkerLease(store)
    try:
        lease.acquire()
        yield lease
    finally:
        lease.release()
