"""The lock files of a job's workers, which show who lives and who was killed."""

from pathlib import Path

from filelock import FileLock, Timeout


def lock_path(output: Path, worker: str) -> Path:
    """Returns the lock file of a worker of the job in a folder."""
    return output / f".fcn-job.{worker}.lock"


def open_lock(path: Path) -> FileLock:
    """Returns the lock of a file, not yet taken. Releasing it leaves the file: it shows who was killed."""
    # This also rules out filelock's substitute on file systems without locks, a marker that outlives a kill.
    return FileLock(path, thread_local=False, preserve_lock_file=True)


def is_locked(path: Path) -> bool:
    """Returns whether another process holds the lock of a file. Call it in a transaction.

    In a transaction no worker can remove its file between the two steps; an attempt to lock it would make the
    file again.
    """
    if not path.exists():
        return False
    try:
        with open_lock(path).acquire(blocking=False):
            return False
    except Timeout:
        return True
    except OSError:  # a file of another user, or a file system without locks
        return False
