"""One training at a time in a run folder."""

import errno
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from fcn.errors import RunError
from fcn.runs.folder import RunFolder
from fcn.system.files import unwritable
from fcn.system.remedies import other_run, resume_run

# What operating systems answer where a file system has no locks.
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def only_training(run: RunFolder) -> Iterator[None]:
    """Keeps other trainings out of a run as long as the block runs.

    A lock of the operating system on `.lock` in the folder (`filelock`). It ends with the process that holds
    it, however that ends, so a file that a killed training left keeps nobody out. In the end the file is
    removed, and so are folders that were made for it if nothing else was written there.

    On NFS a lock holds for all machines that mount the folder, if its lock service runs. Other network file
    systems may have locks that hold on the same machine only, or none (Lustre mounted without `flock`, NFS
    with `nolock`). There, trainings are not kept apart.

    Args:
        run: The folder; made where it is missing.

    Raises:
        OutputError: If the folder cannot be written to.
        RunError: If another training has it.
    """
    held: list[os.stat_result] = []

    def record_holder(file: int) -> None:
        held.append(os.fstat(file))
        with suppress(OSError):  # only the message to others needs it
            os.ftruncate(file, 0)
            os.write(file, f"process {os.getpid()} on {platform.node()}".encode())

    # Its soft locks, which need no locks of the file system, would outlive a killed process.
    lock = FileLock(run.lock, blocking=False, fallback_to_soft=False, on_acquired=record_holder)
    made: list[Path] = []
    try:
        made += [folder for folder in (run.path, *run.path.parents) if not folder.exists()]
        run.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(run.path, error) from error
    try:
        lock.acquire()
    except Timeout:
        raise RunError(
            f"{run.path}: is being trained already, by {_holder(run)}. Wait until that ends or stop it, then "
            f"resume it: {resume_run(run.path)}; or start another run: {other_run()}."
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise unwritable(run.path, error) from error
    try:
        yield
    finally:
        # filelock leaves the file, but a finished run has none. It is removed while the lock is held and only
        # if it is the locked one: another training that has opened it sees that it is gone, and one that has
        # the folder after this one was removed keeps its own.
        with suppress(OSError):
            if not held or os.path.samestat(held[0], run.lock.stat()):
                run.lock.unlink()
        lock.release()
        with suppress(OSError):
            for folder in made:
                folder.rmdir()


def _holder(run: RunFolder) -> str:
    """Returns what the training that has a run wrote about itself."""
    with suppress(OSError):
        return run.lock.read_bytes()[:300].decode(errors="replace") or "another process"
    return "another process"
