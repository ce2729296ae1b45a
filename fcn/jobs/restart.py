"""Starts a job over in a folder that holds one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fcn.errors import OutputError
from fcn.jobs.migration import copy_path
from fcn.jobs.schema import STORE_NAME
from fcn.jobs.store import JobStore
from fcn.jobs.worker_lease import WorkerLease
from fcn.system.files import remove, unwritable

_BEFORE = f"{STORE_NAME}.before"


def forget_job(output: Path) -> None:
    """Forgets the job of an output folder, so that the next one labels everything again.

    Labels stay until the next job overwrites them.

    Raises:
        OutputError: If the job is in use, or cannot be removed.
    """
    recover_restart(output)
    if (output / STORE_NAME).exists():
        _check_idle(output)
        remove_store(output)


@contextmanager
def restarting(output: Path) -> Iterator[None]:
    """Forgets the job of an output folder for a block that starts another; labels stay until then.

    If the other job could not be started, because of a mistake in its inputs, the earlier job is restored.

    Raises:
        OutputError: If the job is in use, or the folder cannot be written to.
    """
    recover_restart(output)
    path = output / STORE_NAME
    if not path.exists():
        yield
        return
    _check_idle(output)
    _rename(path, output / _BEFORE)
    try:
        yield
    finally:
        recover_restart(output)


def recover_restart(output: Path) -> None:
    """Restores or removes the earlier job if a process was killed while it started a job over.

    Raises:
        OutputError: If the folder cannot be written to.
    """
    before, path = output / _BEFORE, output / STORE_NAME
    if not before.exists():
        return
    if _is_empty(path):
        remove_store(output)
        _rename(before, path)
    else:
        remove(before)


def _is_empty(path: Path) -> bool:
    """Returns whether a store is missing or, because the disk was full, never got its tables."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        return False
    # The user version, which is set together with the tables (SQLite's file format, 1.3).
    return not path.exists() or not _user_version(path)


def _user_version(path: Path) -> int:
    with path.open("rb") as file:
        return int.from_bytes(file.read(64)[60:], "big")


def _rename(path: Path, target: Path) -> None:
    try:
        os.replace(path, target)
    except OSError as error:
        raise unwritable(path, error) from error


def remove_store(output: Path) -> None:
    """Removes the store of an output folder, also one that was not closed.

    Raises:
        OutputError: If it cannot be removed.
    """
    path = output / STORE_NAME
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    for ending in ("-wal", "-shm"):
        remove(output / f"{STORE_NAME}{ending}")
    remove(copy_path(output))


def _check_idle(output: Path) -> None:
    """Refuses a job that is in use. Closing its store also merges SQLite's log into the file."""
    store = JobStore(output)
    try:
        with store.transaction():
            busy = bool(WorkerLease(store).other_workers())
        if busy:
            raise OutputError(
                f"{output}: is being labeled by another process. Wait until it ends or stop it, then start "
                "over."
            )
    finally:
        store.close()
