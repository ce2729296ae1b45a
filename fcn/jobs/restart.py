"""Beginning a job anew in a folder that holds one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fcn.errors import OutputError
from fcn.jobs.store import STORE_NAME, JobStore
from fcn.jobs.worker_lease import WorkerLease
from fcn.system.files import remove, unwritable

_BEFORE = f"{STORE_NAME}.before"


def forget_job(output: Path) -> None:
    """Forgets the job of an output folder, so that the next one labels everything anew; labels stay so long.

    Raises:
        OutputError: If it is being worked on, or cannot be removed.
    """
    recover_restart(output)
    if (output / STORE_NAME).exists():
        _check_idle(output)
        remove_store(output)


@contextmanager
def restarting(output: Path) -> Iterator[None]:
    """Forgets the job of an output folder for a block that begins another; labels stay so long.

    If nothing came of the other, because of what it was given, the job is as it was before.

    Raises:
        OutputError: If the job is being worked on, or the folder cannot be written to.
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
    """Ends what a process that was killed while it began a job anew has left: one job is there then.

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
    """Tells a store that is missing or, because the disk was full, never got its tables."""
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
    """Removes the store of an output folder, closed or not.

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


def _check_idle(output: Path) -> None:
    """Refuses a job that is being worked on. Its store is one file then: SQLite ends its log."""
    store = JobStore(output)
    try:
        with store.transaction():
            busy = bool(WorkerLease(store).other_workers())
        if busy:
            raise OutputError(
                f"{output}: is being labeled by another process. Wait until that ends or stop it, then begin "
                "anew."
            )
    finally:
        store.close()
