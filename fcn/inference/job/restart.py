"""Beginning a job anew in a folder that holds one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fcn.errors import OutputError
from fcn.files import remove, temporary_beside, unwritable
from fcn.inference.job.crew import Crew
from fcn.inference.job.manifest import MANIFEST, Manifest


def forget_job(output: Path) -> None:
    """Forgets the job of an output folder, so that the next one labels everything anew; labels stay so long.

    Raises:
        OutputError: If it is being worked on, or cannot be removed.
    """
    if (output / MANIFEST).exists():
        _check_idle(output)
        remove_manifest(output)


@contextmanager
def job_anew(output: Path) -> Iterator[None]:
    """Forgets the job of an output folder for a block that begins another; labels stay so long.

    If nothing came of the other, because of what it was given, the job is as it was before.

    Raises:
        OutputError: If the job is being worked on, or the folder cannot be written to.
    """
    path = output / MANIFEST
    if not path.exists():
        yield
        return
    _check_idle(output)
    with temporary_beside(path, "") as before:
        try:
            os.replace(path, before)
        except OSError as error:
            raise unwritable(path, error) from error
        try:
            yield
        finally:
            if not path.exists():
                os.replace(before, path)


def remove_manifest(output: Path) -> None:
    """Removes the manifest of an output folder, closed or not.

    Raises:
        OutputError: If it cannot be removed.
    """
    path = output / MANIFEST
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    for ending in ("-wal", "-shm"):
        remove(output / f"{MANIFEST}{ending}")


def _check_idle(output: Path) -> None:
    """Refuses a job that is being worked on. Its manifest is one file then: SQLite ends its log."""
    manifest = Manifest(output)
    try:
        if Crew(manifest).others():
            raise OutputError(
                f"{output}: is being labeled by another process. Wait until that ends or stop it, then begin "
                "anew."
            )
    finally:
        manifest.close()
