"""One training at a time in a run folder."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fcn.errors import RunError
from fcn.runs.model_file import RunFolder
from fcn.system.files import unwritable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def only_training(run: RunFolder) -> Iterator[None]:
    """Keeps other trainings out of a run as long as the block runs.

    An advisory lock of the operating system (`flock`) on `.lock` in the folder. It ends with the process
    that holds it, however that ends, so a file that a killed training left keeps nobody out. In the end the
    file is removed, and so are folders that were made for it if nothing else was written there.

    On NFS a lock holds for all machines that mount the folder, if its lock service runs. Other network file
    systems may know of locks on the same machine alone, or of none (Lustre mounted without `flock`, NFS
    with `nolock`). There, and on Windows, trainings are not kept apart.

    Args:
        run: The folder; made where it is missing.

    Raises:
        OutputError: If the folder cannot be written to.
        RunError: If another training has it.
    """
    if fcntl is None:
        yield
        return
    made: list[Path] = []
    try:
        made += [folder for folder in (run.path, *run.path.parents) if not folder.exists()]
        run.path.mkdir(parents=True, exist_ok=True)
        file = _take(run)
    except OSError as error:
        raise unwritable(run.path, error) from error
    try:
        yield
    finally:
        with suppress(OSError):
            if _is_at(run.lock, file):
                run.lock.unlink()
        os.close(file)
        with suppress(OSError):
            for folder in made:
                folder.rmdir()


def _take(run: RunFolder) -> int:
    """Returns the open file that holds the lock until it is closed."""
    while True:
        file = os.open(run.lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 300).decode(errors="replace") or "another process"
            os.close(file)
            raise RunError(
                f"{run.path}: is being trained already, by {holder}. Wait until that ends or stop it, then "
                "go on with --resume; or begin another run: --run NAME."
            ) from None
        except OSError:  # a file system without locks
            return file
        # The holder before may have removed the file after it was opened here: then it keeps nobody out.
        if _is_at(run.lock, file):
            with suppress(OSError):  # only the message to others needs it
                os.ftruncate(file, 0)
                os.write(file, f"process {os.getpid()} on {platform.node()}".encode())
            return file
        os.close(file)


def _is_at(path: Path, file: int) -> bool:
    """Returns whether an open file is the one that is at a path now."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
