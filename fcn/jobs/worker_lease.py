"""The processes that work on one job: who is there, and who is gone without a word."""

import os
import platform
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fcn.errors import OutputError
from fcn.jobs.crash_isolation import count_crashes, give_back
from fcn.jobs.store import Manifest
from fcn.system.files import partial_files, remove, unwritable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# What `fcn.system.files` calls a file that is being written.
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp(\..*)?", re.DOTALL)


class WorkerLease:
    """This process as one of those that work on a job.

    Each holds a lock of the operating system (`flock`) on a file of its own, which ends with the process,
    however that ends: a process id alone may have become another's. On file systems without such locks, and
    on Windows, others are taken to be gone, so only one process may work there.

    Args:
        manifest: The job.

    Attributes:
        name: Name of this worker, which no other has.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.name = secrets.token_hex(8)
        self._manifest = manifest
        self._file: int | None = None

    def enter(self) -> None:
        """Makes this process known, and clears up after those that are gone, if no other works.

        Raises:
            OutputError: If the folder cannot be written to, or another machine works on the job.
        """
        host = platform.node()
        with self._manifest.transaction():  # nobody sees a file that is not locked yet
            self._hold()
            self._dismiss()
            rows = self._manifest.connection.execute(
                "SELECT * FROM workers WHERE host <> ?", (host,)
            ).fetchall()
            for row in rows:
                if self._is_there(row["name"]):
                    raise OutputError(
                        f"{self._manifest.output}: is being worked on by process {row['process']} on "
                        f"{row['host']}. Workers that share a job must run on one machine; start this one "
                        "there, or choose another output folder."
                    )
            self._manifest.connection.execute(
                "INSERT INTO workers (name, host, process, began) VALUES (?, ?, ?, ?)",
                (self.name, host, os.getpid(), time.time()),
            )

    def leave(self) -> None:
        """Gives back what this process has not finished, as far as the disk lets it."""
        with suppress(OutputError):
            self._manifest.release(self.name)
            with self._manifest.transaction():
                self._dismiss()
                self._manifest.connection.execute("DELETE FROM workers WHERE name = ?", (self.name,))
        if self._file is not None:
            os.close(self._file)
            self._file = None
        remove(self._lock_path(self.name))

    def others(self) -> list[str]:
        """Returns the names of the other workers that are there."""
        with self._manifest.guarded():
            rows = self._manifest.connection.execute("SELECT name FROM workers").fetchall()
        return [row["name"] for row in rows if row["name"] != self.name and self._is_there(row["name"])]

    def take_over(self) -> int:
        """Sets free what workers claimed who are gone; returns how many images."""
        with self._manifest.transaction():
            rows = self._manifest.connection.execute("SELECT name FROM workers").fetchall()
            return self._set_free([row["name"] for row in rows if not self._is_there(row["name"])])

    def _set_free(self, gone: list[str]) -> int:
        connection = self._manifest.connection
        for name in gone:
            # Who is told to stop removes it, also where a full disk keeps the claims from being given back.
            if self._lock_path(name).exists():
                count_crashes(connection, self._manifest.output, name)
        return sum(give_back(connection, name) for name in gone)

    def _hold(self) -> None:
        """Takes this worker's lock."""
        path = self._lock_path(self.name)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise unwritable(path, error) from error
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _dismiss(self) -> None:
        """Forgets workers that are gone; if there is no other, removes files they left half written."""
        connection = self._manifest.connection
        rows = connection.execute("SELECT name FROM workers WHERE name <> ?", (self.name,)).fetchall()
        gone = [row["name"] for row in rows if not self._is_there(row["name"])]
        known = {self.name, *(row["name"] for row in rows)}
        for path in self._manifest.output.glob(".fcn-job.*.lock"):
            name = path.name.split(".")[2]
            # Of one that was killed as it came, or as it went.
            if name not in known and not self._is_there(name):
                remove(path)
        if not gone or len(gone) < len(rows):
            return  # others may be writing; the last of them clears up
        folders = [row["path"] for row in connection.execute("SELECT path FROM folders")]
        for folder in {b"", *folders}:
            for path in partial_files(self._manifest.output / os.fsdecode(folder)):
                if _TEMPORARY.fullmatch(path.name):
                    remove(path)
        self._set_free(gone)
        connection.executemany("DELETE FROM workers WHERE name = ?", [(name,) for name in gone])
        for name in gone:
            remove(self._lock_path(name))

    def _is_there(self, name: str) -> bool:
        """Returns whether a worker lives."""
        if name == self.name:
            return True
        if fcntl is None:
            return False
        try:
            file = os.open(self._lock_path(name), os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a file system without locks
            return False
        finally:
            os.close(file)
        return False

    def _lock_path(self, name: str) -> Path:
        return self._manifest.output / f".fcn-job.{name}.lock"


@contextmanager
def leased_worker(manifest: Manifest) -> Iterator[WorkerLease]:
    """Makes this process one of those that work on a job, as long as the block runs."""
    lease = WorkerLease(manifest)
    try:
        lease.enter()
        yield lease
    finally:
        lease.leave()
