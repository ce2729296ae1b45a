"""Isolates images that crash the worker that labels them.

A worker has up to nine batches in hand. If it crashes or is killed, these batches become suspects: from then
on each is taken alone, after all others, those with the fewest crashes first (`JobStore.claim`). A crash
counts as a solo crash of a batch if the worker had finished nothing and had nothing else in hand. A job that
is killed at random moments hardly ever counts three of them for one batch; a batch that crashes its worker is
soon the only one left, and then every crash is its own. Images of a worker that lets other processes label
never become suspects, since they cannot crash it.

In the store, the column `lost` is the crash count of an image, and `blamed` its solo crash count.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from sqlite3 import Connection

from fcn.jobs.integrity import output_path
from fcn.jobs.video_files import output_name
from fcn.system.files import remove

_MAX_SOLO_CRASHES = 3
# For a batch that is never the only one left, because new images keep coming.
_MAX_CRASHES = 20


def note_delegation(connection: Connection, worker: str) -> None:
    """Notes that other processes label images for a worker. Call it in a transaction."""
    connection.execute("UPDATE workers SET delegates = 1 WHERE name = ?", (worker,))


def count_crashes(connection: Connection, output: Path, worker: str) -> None:
    """Counts a crash for each image that a dead worker had in hand. Call it in a transaction.

    A batch with too many crashes is split: each of its images becomes a batch of its own, with one crash and
    no solo crash. A batch of one image with too many crashes fails.

    Args:
        connection: The store.
        output: Its folder.
        worker: Name of the dead worker.
    """
    held = connection.execute(
        "SELECT kind, delegates FROM images JOIN workers ON workers.name = worker "
        "WHERE status = 'doing' AND worker = ? LIMIT 1",
        (worker,),
    ).fetchone()
    # A worker holds a video alone, so the first row tells.
    if held is None or (held["delegates"] and held["kind"] != "video"):
        return
    connection.execute(
        "UPDATE images SET lost = lost + 1, blamed = blamed + (lost > 0 AND "
        "(SELECT finished = 0 FROM workers WHERE name = images.worker)) "
        "WHERE status = 'doing' AND worker = ?",
        (worker,),
    )
    suspects = connection.execute(
        "SELECT id, lost AS crash_count, count(*) OVER (PARTITION BY batch) AS batch_size FROM images "
        "WHERE status = 'doing' AND worker = ? AND (blamed >= ? OR lost >= ?) ORDER BY name",
        (worker, _MAX_SOLO_CRASHES, _MAX_CRASHES),
    ).fetchall()
    for suspect in suspects:
        if suspect["batch_size"] == 1:
            reason = (
                f"crashed the process {suspect['crash_count']} times (perhaps out of memory). Replace it; or "
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
    """Makes what a worker has in hand wait again; returns how many images. Call it in a transaction."""
    return connection.execute(
        "UPDATE images SET status = 'waiting', worker = NULL WHERE status = 'doing' AND worker = ?",
        (worker,),
    ).rowcount


def remove_outputs(connection: Connection, output: Path, ids: Iterable[int]) -> None:
    """Removes the outputs of earlier labelings of images that have failed now: they would be wrong."""
    for identifier in ids:
        name, files = connection.execute(
            "SELECT name, files FROM images WHERE id = ?", (identifier,)
        ).fetchone()
        for suffix in json.loads(files or "{}"):
            remove(output_path(output, output_name(os.fsdecode(name), suffix)))
        connection.execute("UPDATE images SET files = NULL WHERE id = ?", (identifier,))
