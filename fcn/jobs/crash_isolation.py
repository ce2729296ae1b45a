"""What to do with images whose worker went away without a word: it was killed, or one of them killed it.

A worker has up to nine batches in hand. Those lost with it are suspects, and from then on only taken alone,
those lost least often first, after all others (`JobStore.claim`). A batch is to blame for the end of a worker
that had finished nothing and had nothing else in hand. Who kills a job at random moments hardly meets one
batch three times like that; one that kills its worker is soon the only one that is left, and then always.
The images of a worker for which other processes label are no suspects, for it does not die of them.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from sqlite3 import Connection

from fcn.inference.video import is_video
from fcn.system.files import remove

_MAX_SOLO_CRASHES = 3
# Of a batch that is never the only one that is left, because others come all the time.
_MAX_CRASHES = 20


def note_delegation(connection: Connection, worker: str) -> None:
    """Notes that other processes label images for a worker. To be called in a transaction."""
    connection.execute("UPDATE workers SET delegates = 1 WHERE name = ?", (worker,))


def count_crashes(connection: Connection, output: Path, worker: str) -> None:
    """Remembers what a worker had in hand when it went away. To be called in a transaction.

    A batch of several that is to blame too often is parted, and each of its images begins anew, alone.
    A single image fails.

    Args:
        connection: The store.
        output: Its folder.
        worker: Who is gone.
    """
    held = connection.execute(
        "SELECT place, delegates FROM images JOIN workers ON workers.name = worker "
        "WHERE status = 'doing' AND worker = ? LIMIT 1",
        (worker,),
    ).fetchone()
    # A video is in hand alone: the first row tells.
    if held is None or (held["delegates"] and not is_video(os.fsdecode(held["place"]))):
        return
    connection.execute(
        "UPDATE images SET lost = lost + 1, blamed = blamed + (lost > 0 AND "
        "(SELECT finished = 0 FROM workers WHERE name = images.worker)) "
        "WHERE status = 'doing' AND worker = ?",
        (worker,),
    )
    suspects = connection.execute(
        "SELECT id, lost, count(*) OVER (PARTITION BY batch) AS together FROM images "
        "WHERE status = 'doing' AND worker = ? AND (blamed >= ? OR lost >= ?) ORDER BY name",
        (worker, _MAX_SOLO_CRASHES, _MAX_CRASHES),
    ).fetchall()
    for suspect in suspects:
        if suspect["together"] == 1:
            reason = (
                f"stopped the process {suspect['lost']} times (out of memory, or a crash). Replace it; or "
                "give the process more memory, then add --retry-failed."
            )
            remove_outputs(connection, output, [suspect["id"]])
            connection.execute(
                "UPDATE images SET status = 'failed', worker = NULL, error = ? WHERE id = ?",
                (reason, suspect["id"]),
            )
        else:
            connection.execute(
                "UPDATE images SET batch = (SELECT max(batch) FROM images) + 1, lost = 1, blamed = 0 "
                "WHERE id = ?",
                (suspect["id"],),
            )


def release_claims(connection: Connection, worker: str) -> int:
    """Lets others have what a worker has in hand; returns how many images. To be called in a transaction."""
    return connection.execute(
        "UPDATE images SET status = 'waiting', worker = NULL WHERE status = 'doing' AND worker = ?",
        (worker,),
    ).rowcount


def remove_outputs(connection: Connection, output: Path, ids: Iterable[int]) -> None:
    """Removes what images left when they were labeled before: of one that fails now it would be wrong."""
    for identifier in ids:
        name, files = connection.execute(
            "SELECT name, files FROM images WHERE id = ?", (identifier,)
        ).fetchone()
        for suffix in json.loads(files or "{}"):
            remove(output / f"{os.fsdecode(name)}{suffix}")
        connection.execute("UPDATE images SET files = NULL WHERE id = ?", (identifier,))
