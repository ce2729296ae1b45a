"""Recognizes images that were moved, alone or with their input folder, by their content."""

import json
import os
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import NamedTuple

from fcn.errors import OutputError
from fcn.jobs.added_outputs import LACKS_OUTPUTS
from fcn.jobs.changes import choose_verdict, was_deleted
from fcn.jobs.integrity import output_path
from fcn.jobs.naming import path_beside
from fcn.jobs.settings import Setting, check_settings
from fcn.jobs.sources.links import is_url
from fcn.jobs.store import JobStore
from fcn.outputs.prelabels import moved_labelme_file
from fcn.outputs.render import SUFFIXES
from fcn.system.files import write_bytes

_SETTING = "input folders"
_TABLE = "CREATE TEMP TABLE moved (old BLOB PRIMARY KEY, place BLOB)"
_LABELED = f"(status = 'done' OR (status = 'waiting' AND {LACKS_OUTPUTS}))"


class Folders(NamedTuple):
    """The input folders of a job.

    Attributes:
        given: Those that are given now, as a setting.
        dropped: Those that were given before, and are not now: perhaps they were moved.
    """

    given: Setting
    dropped: tuple[str, ...] = ()


def compare_folders(store: JobStore, folders: Sequence[str]) -> Folders:
    """Compares the input folders with those of the job. Call it in a transaction.

    Args:
        store: The store.
        folders: What `list_folders` returned.

    Raises:
        OutputError: If they differ, and not as they do after some were moved.
    """
    given = Setting(json.dumps([*folders]), ", ".join(folders) or "none")
    known = store.settings().get(_SETTING)
    before = json.loads(json.loads(known)[0]) if known else []
    dropped, added = ([*{*one} - {*other}] for one, other in ((before, folders), (folders, before)))
    if not (dropped and added) or any(map(is_url, dropped + added)):
        check_settings(store, {_SETTING: given})
        return Folders(given)
    return Folders(given, tuple(sorted(dropped)))


def find_moved(store: JobStore, folders: Folders) -> None:
    """Finds the images in `temp.found` that are new there, and were labeled from another place.

    Such an image has the name of the one that was labeled, the same outputs and the same content, and that is
    no longer where it was. If its folder is no longer given, it may be there still, and have been changed.

    Args:
        store: The store, after `mark_changes`.
        folders: The input folders.

    Raises:
        OutputError: If folders are no longer given, and less than half of what was labeled in them is in
            those that are.
    """
    connection = store.connection
    connection.execute(_TABLE)
    with closing(
        connection.execute(
            "SELECT f.place, f.size, f.changed, i.place AS old, i.size AS size_then, "
            "i.changed AS changed_then, i.hash, i.files, i.name, i.status "
            "FROM temp.found f JOIN images i ON i.name IN (f.short, f.full, f.long) "
            "WHERE f.verdict = 'new' AND f.size IS NOT NULL "
            f"AND i.id IN (SELECT id FROM images WHERE {_LABELED}) "
            "AND i.place NOT IN (SELECT place FROM temp.found)"
        )
    ) as rows:
        below = _beginnings(folders)
        moved, recognized = [], 0
        for row in rows:
            dropped = row["old"].startswith(below) if below else False
            same_name = os.path.basename(row["old"]) == os.path.basename(row["place"])
            if not same_name or is_url(os.fsdecode(row["old"])) or not (dropped or was_deleted(row["old"])):
                continue
            verdict = choose_verdict(row, store.output) or "touched"
            recognized += dropped and verdict == "touched"
            if dropped or verdict == "touched":
                moved.append((row["old"], row["place"], verdict))
    if folders.dropped and not 0 < _count_labeled(store, below) <= 2 * recognized:
        with store.transaction():
            check_settings(store, {_SETTING: folders.given})
    connection.execute("BEGIN")  # temporary tables: no other process waits
    connection.executemany("INSERT OR IGNORE INTO temp.moved VALUES (?, ?)", [pair for *pair, _ in moved])
    connection.executemany(
        "UPDATE temp.found SET verdict = ? WHERE place = ?", [(verdict, place) for _, place, verdict in moved]
    )
    connection.execute("COMMIT")


def _beginnings(folders: Folders) -> tuple[bytes, ...]:
    return tuple(os.fsencode(os.path.join(folder, "")) for folder in folders.dropped)


def _count_labeled(store: JobStore, below: tuple[bytes, ...]) -> int:
    rows = store.connection.execute(f"SELECT place FROM images WHERE {_LABELED} AND NOT gone")
    return sum(row["place"].startswith(below) for row in rows)


def move(store: JobStore, folders: Folders, alone: bool) -> bool:
    """Notes where moved images are now; returns whether there are any. Call it in a transaction.

    What was labeled in a folder that is no longer given, and is not in another, counts as deleted.

    Args:
        store: The store, after `find_moved`.
        folders: The input folders.
        alone: Whether no other worker is alive.

    Raises:
        OutputError: If other workers are alive, who label from the folders of before.
    """
    connection = store.connection
    if folders.dropped:
        if not alone:
            raise OutputError(
                f"{store.output}: is being labeled by another process, from {', '.join(folders.dropped)}. "
                "Wait until it ends or stop it, then run the same command again."
            )
        store.keep_settings({_SETTING: json.dumps(folders.given)})
    moved = connection.execute(
        "UPDATE OR IGNORE images SET place = f.place, path = f.path, changed = f.changed "
        "FROM temp.moved m JOIN temp.found f ON f.place = m.place WHERE images.place = m.old"
    ).rowcount
    for folder in _beginnings(folders):
        connection.execute(
            "UPDATE images SET gone = 1, hash = CASE status WHEN 'done' THEN hash END, status = 'done' "
            f"WHERE {_LABELED} AND substr(place, 1, ?) = ? "
            "AND place NOT IN (SELECT place FROM temp.found)",
            (len(folder), folder),
        )
    _correct_documents(store)
    return bool(moved or folders.dropped)


def _correct_documents(store: JobStore) -> None:
    """Writes into labelme's documents of moved images where these are now; corrections in them stay."""
    suffix = SUFFIXES["labelme"]
    rows = store.connection.execute(
        "SELECT place, name, files FROM images WHERE place IN (SELECT place FROM temp.moved) "
        "AND kind = 'image' AND instr(files, ?)",
        (json.dumps(suffix),),
    )
    for row in rows:
        place, name = os.fsdecode(row["place"]), os.fsdecode(row["name"])
        path = output_path(store.output, f"{name}{suffix}")
        with suppress(OSError):  # a lost one is written anew
            data = path.read_bytes()
            document = moved_labelme_file(data, path_beside(place, store.output, name))
            if document is not None and document != data:
                write_bytes(path, document)
