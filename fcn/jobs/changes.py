"""Finds out which images are new, which were changed or lost their outputs, and which were deleted."""

import json
import os
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from sqlite3 import Row

from fcn.errors import OutputError
from fcn.jobs.sources.inputs import Input, list_folders
from fcn.jobs.sources.links import stable_link
from fcn.jobs.store import JobStore
from fcn.jobs.video_files import output_name, output_size
from fcn.outputs.render import CORRECTED
from fcn.system.files import content_hash

_MOST_NAMED = 3


def keep_stable_links(store: JobStore) -> None:
    """Changes the places of links that an earlier version wrote with their signatures to stable ones."""
    links = store.connection.execute("SELECT id, place FROM images WHERE instr(place, CAST('://' AS BLOB))")
    places = [(os.fsencode(stable_link(os.fsdecode(row["place"]))), *row) for row in links]
    changed = [(place, identifier) for place, identifier, before in places if place != before]
    if changed:
        with store.transaction():
            store.connection.executemany("UPDATE OR IGNORE images SET place = ? WHERE id = ?", changed)


def mark_changes(store: JobStore) -> None:
    """Writes into `temp.found` which images are new, which have changed, and which lost their outputs."""
    connection = store.connection
    # A file without a name could not be used as an image before; now it may be one.
    connection.execute(
        "UPDATE temp.found SET verdict = 'new' "
        "WHERE place NOT IN (SELECT place FROM images WHERE name IS NOT NULL)"
    )
    # Closed at once, also on an interruption: an open cursor would keep the tables from being dropped.
    with closing(
        connection.execute(
            "SELECT f.place, f.size, f.changed, i.size AS size_then, i.changed AS changed_then, i.hash, "
            "i.files, i.name, i.status FROM temp.found f JOIN images i USING (place) "
            "WHERE i.status IN ('done', 'failed') AND i.name IS NOT NULL"
        )
    ) as rows:
        verdicts = [(verdict, row["place"]) for row in rows if (verdict := choose_verdict(row, store.output))]
    connection.executemany("UPDATE temp.found SET verdict = ? WHERE place = ?", verdicts)


def choose_verdict(row: Row, output: Path) -> str | None:
    """Returns what became of an image since it was labeled: "changed", "lost", "touched" or None for nothing.

    "lost" is for one that lost outputs, and has one that people correct.

    Args:
        row: Its place, size and time of change now; as `size_then` and `changed_then` those of before, and
            its hash, files, name and status in the store.
        output: The output folder.
    """
    same = (row["size"], row["changed"]) == (row["size_then"], row["changed_then"])
    if row["status"] == "failed":
        return None if same or row["size"] is None else "changed"
    if row["hash"] is None:  # it lacks outputs that were added while nothing led to it
        return "changed"
    if not same and row["size"] is not None:
        try:
            known = row["size"] == row["size_then"]
            if not known or content_hash([Path(os.fsdecode(row["place"]))]) != row["hash"]:
                return "changed"
        except OSError:
            return "changed"
    if not _has_outputs(row, output):
        return "lost" if _corrected_files(row, output) else "changed"
    return None if same else "touched"


def _has_outputs(row: Row, output: Path) -> bool:
    name, files = os.fsdecode(row["name"]), json.loads(row["files"])
    try:
        found = {suffix: output_size(output / output_name(name, suffix)) for suffix in files}
    except OSError:
        return False
    return all(found[suffix] == size for suffix, size in files.items() if suffix not in CORRECTED)


def _corrected_files(row: Row, output: Path) -> dict[str, int]:
    """Returns the files of an image that people correct, and that are there."""
    name, files = os.fsdecode(row["name"]), json.loads(row["files"])
    return {
        suffix: size
        for suffix, size in files.items()
        if suffix in CORRECTED and (output / f"{name}{suffix}").is_file()
    }


def write_lost(store: JobStore) -> None:
    """Makes images with the verdict "lost" wait; what people correct stays. Call it in a transaction."""
    rows = store.connection.execute(
        "SELECT id, images.name, files FROM images JOIN temp.found f USING (place) "
        "WHERE f.verdict = 'lost' AND status IN ('done', 'waiting')"
    )
    kept = [(json.dumps(_corrected_files(row, store.output)), row["id"]) for row in rows]
    store.connection.executemany(
        "UPDATE images SET status = 'waiting', batch = NULL, lost = 0, blamed = 0, files = ? WHERE id = ?",
        kept,
    )


def refuse_unknown_documents(store: JobStore, added: bool) -> None:
    """Refuses to overwrite what people correct, and a job has not written. Call it before `add_outputs`.

    Args:
        store: The store, in which all images have names.
        added: Whether the job wrote no such files before; otherwise only new images are looked at.

    Raises:
        OutputError: If there is a document of labelme in the place of one that the job is to write.
    """
    new = "" if added else "AND place IN (SELECT place FROM temp.found WHERE verdict = 'new')"
    rows = store.connection.execute(f"SELECT name FROM images WHERE kind = 'image' {new} ORDER BY name")
    names = (f"{os.fsdecode(row['name'])}{suffix}" for row in rows for suffix in CORRECTED)
    found = [*islice((name for name in names if os.path.lexists(store.output / name)), _MOST_NAMED + 1)]
    if found:
        others = " and others" if len(found) > _MOST_NAMED else ""
        raise OutputError(
            f"{store.output}: {', '.join(found[:_MOST_NAMED])}{others} would be overwritten, and may hold "
            "labels that somebody corrected: this job has not written them. Move or remove them, or choose "
            "another output folder."
        )


def mark_deleted(store: JobStore, inputs: Sequence[Input]) -> bool:
    """Marks labeled images that were deleted from the folders or are back; returns whether any were.

    Only files that no longer exist are marked: images from lists and single files are not searched for.
    """
    connection = store.connection
    folders = tuple(os.fsencode(os.path.join(folder, "")) for folder in list_folders(inputs))
    back = connection.execute(
        "UPDATE images SET gone = 0 WHERE gone AND place IN (SELECT place FROM temp.found)"
    ).rowcount
    missing = connection.execute(
        "SELECT place FROM images WHERE status = 'done' AND NOT gone "
        "AND place NOT IN (SELECT place FROM temp.found)"
    )
    gone = [
        (row["place"],) for row in missing if row["place"].startswith(folders) and was_deleted(row["place"])
    ]
    connection.executemany("UPDATE images SET gone = 1 WHERE place = ?", gone)
    return bool(back or gone)


def was_deleted(place: bytes) -> bool:
    """Returns whether a file is no longer there."""
    try:
        os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # impossible to tell
        return False
    return False
