"""Brings the store of an older version up to date: in one transaction, with a copy of the old file beside it.

A process that is killed meanwhile leaves the old store or the new one, each whole. The copy stays until the
first images are finished with the new store, so that an earlier version of this package can go on from it.
For that, delete the store with its `-wal` and `-shm` files, which belong to the new one, and rename the copy.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from fcn.errors import OutputError
from fcn.inference.video_reader import is_video
from fcn.jobs.integrity import check_store
from fcn.jobs.locks import is_locked, lock_path
from fcn.jobs.schema import KIND_COLUMN, STORE_NAME, VERSION
from fcn.system.files import durable_path, partial_files, remove
from fcn.system.installation import install_command

_OLDEST = 3


def copy_path(output: Path) -> Path:
    """Returns the copy of the store in a folder that is kept while an older version is brought up to date."""
    return output / f"{STORE_NAME}.v{_OLDEST}"


def migrate(connection: sqlite3.Connection, store: Path) -> None:
    """Brings a store up to date if it is of an older version. Call it in a transaction.

    Args:
        connection: The open store.
        store: Its file.

    Raises:
        OutputError: If the version is not known, an older store is damaged, or a worker of an earlier version
            of this package is alive.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    if version != _OLDEST:
        age, remedy = "newer", f"Update this package ({install_command('--upgrade keras-fcn')}), or choose"
        if version < _OLDEST:
            age, remedy = "much older", "Choose"
        raise OutputError(
            f"{store}: was written by a {age} version of this package: its tables have version {version}, "
            f"and this one knows {_OLDEST} and {VERSION}. {remedy} another output folder, or delete the file "
            "to label everything again."
        )
    check_store(connection, store, lacking=("kind",))
    _check_idle(connection, store)
    _copy(store)
    connection.execute(f"ALTER TABLE images ADD COLUMN {KIND_COLUMN}")
    videos = [
        (identifier,)
        for identifier, place in connection.execute("SELECT id, place FROM images")
        if is_video(os.fsdecode(place))
    ]
    connection.executemany("UPDATE images SET kind = 'video' WHERE id = ?", videos)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _check_idle(connection: sqlite3.Connection, store: Path) -> None:
    """Refuses a store that workers of an earlier version still write to, who would not know the new columns.

    Raises:
        OutputError: If one is alive.
    """
    for name, host, process in connection.execute("SELECT name, host, process FROM workers").fetchall():
        if is_locked(lock_path(store.parent, name)):
            raise OutputError(
                f"{store.parent}: is being labeled by process {process} on {host}, with an earlier version "
                "of this package. Wait until it ends or stop it, then run the same command again."
            )


def _copy(store: Path) -> None:
    """Copies a store, with what is only in its log; the copy appears when it is whole and on the disk."""
    copy = copy_path(store.parent)
    for partial in partial_files(store.parent):  # of processes that were killed; no other copies now
        if partial.suffix == copy.suffix:
            remove(partial)
    with (
        durable_path(copy) as path,
        # Not the connection of the transaction, which SQLite does not copy from.
        closing(sqlite3.connect(store)) as source,
        closing(sqlite3.connect(path)) as target,
    ):
        source.backup(target)
