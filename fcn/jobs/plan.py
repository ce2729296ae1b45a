"""Plans a job: writes into its store what to label, and in which batches.

Everything slow happens in temporary tables of this process; then one transaction changes the store. So a
process that is killed while it plans leaves the store unchanged, and other workers do not wait.
"""

import hashlib
import os
import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from fcn.errors import PlaceError
from fcn.inference.engines.engine import BATCH_PIXELS
from fcn.jobs.added_outputs import LACKS_OUTPUTS, add_outputs, leave_out_lost, written_outputs
from fcn.jobs.changes import (
    keep_stable_links,
    mark_changes,
    mark_deleted,
    refuse_unknown_documents,
    write_lost,
)
from fcn.jobs.measuring import chunks, measure
from fcn.jobs.moved import Folders, find_moved, move
from fcn.jobs.naming import name_of_file, name_outputs, refuse_names_of_summaries
from fcn.jobs.sources.inputs import Input, find_all
from fcn.jobs.sources.links import is_url, query_name, shown_place, stable_link
from fcn.jobs.sources.search import FoundImage, describe_others
from fcn.jobs.store import JobStore
from fcn.jobs.video_files import VIDEO_MARK
from fcn.jobs.worker_lease import WorkerLease
from fcn.outputs.render import SUFFIXES
from fcn.system.files import remove
from fcn.system.places import check_below, is_encodable
from fcn.system.progress import track
from fcn.system.text import escape_undecodable, print_notice

_GPU = Path("/dev/nvidia0")
_TABLES = """
CREATE TEMP TABLE found (
  place BLOB PRIMARY KEY, path BLOB, folder BLOB, short BLOB, full BLOB, long BLOB, name BLOB, kind TEXT,
  size INTEGER, changed INTEGER, height INTEGER, width INTEGER, verdict TEXT
);
CREATE TEMP TABLE unusable (place BLOB PRIMARY KEY, path BLOB, reason TEXT)
"""
# As many images of one size as fit are a batch; an image of unknown size is a batch of its own. Large ones
# come first: if there is not enough memory, that shows at once.
_BATCHES = """
WITH alone AS (SELECT id, name, height, width, lost, CASE WHEN height IS NULL THEN id END AS single
               FROM images
               WHERE status = 'waiting' AND batch IS NULL),
parts AS (SELECT *, (row_number() OVER (PARTITION BY height, width, lost, single ORDER BY name) - 1)
             / max(1, min(:size, :pixels / (height * width))) AS part
          FROM alone),
numbered AS (SELECT id, dense_rank() OVER (
               ORDER BY height * width DESC NULLS LAST, height, width, lost, part, single) AS number
             FROM parts)
UPDATE images SET batch = number + (SELECT coalesce(max(batch), 0) FROM images)
FROM numbered WHERE images.id = numbered.id
"""


def plan(
    store: JobStore,
    lease: WorkerLease,
    inputs: Sequence[Input],
    suffixes: Sequence[str],
    batch_size: int,
    summaries: Sequence[Path],
    kinds: Sequence[str],
    folders: Folders,
) -> None:
    """Brings a store up to date with the inputs.

    New images are added; changed images and those without their outputs wait again. Images that wait and no
    longer exist are removed, unless other workers are alive, which may have been given other lists.

    Args:
        store: The store of the job.
        lease: This worker.
        inputs: What to label.
        suffixes: Suffixes that outputs may have.
        batch_size: Most images in a batch; fewer if they are large. If it is unchanged, images that wait stay
            in their batches.
        summaries: Files about all images; removed if images were moved or deleted, or are back.
        kinds: What to write, as `join_outputs` returned it; images that lack some of it wait again.
        folders: The input folders, as `compare_folders` returned them.

    Raises:
        DataError: If there are no images, or two outputs would get the same name.
        OutputError: If the store cannot be written to, the input folders are others, which were not moved, or
            documents of labelme would be overwritten that the job has not written.
    """
    with _temporary_tables(store):
        _search(store, inputs)
        keep_stable_links(store)
        mark_changes(store)
        find_moved(store, folders)
        measure(store)
        with store.transaction():
            alone = not lease.other_workers()
            moved = move(store, folders, alone)
            lost = alone and leave_out_lost(store)
            _merge(store, suffixes, alone)
            if "labelme" in kinds:
                refuse_unknown_documents(store, "labelme" not in written_outputs(store))
            lost = add_outputs(store, kinds, alone) or lost
            deleted = alone and mark_deleted(store, inputs)
            if moved or lost or deleted:
                for path in summaries:
                    remove(path)
            if "labelme" in kinds:
                refuse_names_of_summaries(store.connection, SUFFIXES["labelme"], summaries)
            known = store.settings().get("batch_size")
            if known != str(batch_size):
                store.connection.execute("UPDATE images SET batch = NULL WHERE status = 'waiting'")
                store.keep_settings({"batch_size": str(batch_size)})
            store.connection.execute(_BATCHES, {"size": batch_size, "pixels": BATCH_PIXELS})


def default_batch_size() -> int:
    """Returns the default batch size: 1 on a CPU, where larger batches are not faster."""
    return 8 if _GPU.exists() else 1


@contextmanager
def _temporary_tables(store: JobStore) -> Iterator[None]:
    with store.guarded():
        try:
            for statement in _TABLES.split(";"):
                store.connection.execute(statement)
            yield
        finally:
            for table in ("found", "unusable", "moved", "endings", "clashes"):
                store.connection.execute(f"DROP TABLE IF EXISTS temp.{table}")


def _search(store: JobStore, inputs: Sequence[Input]) -> None:
    others: Counter[str] = Counter()
    found_images = find_all(inputs, store.output, others, partial(_is_known, store))
    for chunk in chunks(track(found_images, "searching", lines=True)):
        images: list[tuple[object, ...]] = []
        unusable: list[tuple[object, ...]] = []
        for found in chunk:
            try:
                if isinstance(found, FoundImage):
                    images.append(_found_row(found, store.output))
                else:
                    unusable.append(_unusable_row(found.path, found.reason))
            except PlaceError as error:
                unusable.append(_unusable_row(found.path, str(error).removeprefix(f"{found.path}: ")))
        store.connection.execute("BEGIN")  # temporary tables: no other process waits
        store.connection.executemany(
            "INSERT OR IGNORE INTO temp.found (place, path, folder, short, full, long, kind, size, changed) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            images,
        )
        store.connection.executemany("INSERT OR IGNORE INTO temp.unusable VALUES (?, ?, ?)", unusable)
        store.connection.execute("COMMIT")
    if others:
        print_notice(f"Left out: {describe_others(others)}.")


def _is_known(store: JobStore, link: str) -> bool:
    query = "SELECT EXISTS (SELECT 1 FROM images WHERE place = ? AND name IS NOT NULL)"
    return bool(store.connection.execute(query, (os.fsencode(stable_link(link)),)).fetchone()[0])


def _found_row(found: FoundImage, output: Path) -> tuple[object, ...]:
    """Returns the row of an image.

    Raises:
        PlaceError: If its label would be outside of the output folder.
    """
    name, kind = name_of_file(found.place), found.kind
    folder = found.folder.replace(os.sep, "/")  # names of outputs are the same on every system
    full = posixpath.join(folder, name)
    check_below(output, full, found.path)
    short, long = posixpath.join(folder, _stem(name)), full
    if is_url(found.place):
        long = posixpath.join(folder, _long_name(name, found.place))
    if kind == "video":  # its only output, so a video does not clash with an image of the same name
        short, full, long = (f"{path}{VIDEO_MARK}" for path in (short, full, long))
    paths = map(os.fsencode, (found.place, found.path, folder, short, full, long))
    return (*paths, kind, *_stat(found.place))


def _stem(name: str) -> str:
    """Returns a name without its suffix, as `pathlib` does; that takes long for many files."""
    dot = name.rfind(".")
    return name[:dot] if 0 < dot < len(name) - 1 else name


def _long_name(name: str, place: str) -> str:
    """Returns a name for an image behind a link whose full name is that of another.

    The images behind `view?id=1` and `view?id=2` become `view_id=1-` and `view_id=2-`, each with eight digits
    that depend on all of its link, since characters are replaced and servers differ.
    """
    digits = hashlib.sha256(os.fsencode(place)).hexdigest()[:8]
    return f"{'_'.join(filter(None, (name, query_name(place))))}-{digits}"


def _unusable_row(path: str, reason: str) -> tuple[object, ...]:
    path = shown_place(path)
    if not is_encodable(path):
        path = escape_undecodable(path)
    return _place(path), os.fsencode(path), escape_undecodable(reason)


def _place(path: str) -> bytes:
    return os.fsencode(path if is_url(path) else os.path.abspath(path))


def _stat(place: str) -> tuple[int | None, int | None]:
    try:
        status = None if is_url(place) else os.stat(place)
    except OSError:  # reading it will give the reason
        status = None
    return (None, None) if status is None else (status.st_size, status.st_mtime_ns)


def _merge(store: JobStore, suffixes: Sequence[str], alone: bool) -> None:
    connection = store.connection
    connection.execute("DELETE FROM images WHERE name IS NULL")
    # Another worker may have planned in the meantime.
    connection.execute(
        "UPDATE temp.found SET verdict = NULL WHERE verdict = 'new' AND place IN (SELECT place FROM images)"
    )
    if alone:
        connection.execute(
            f"DELETE FROM images WHERE (status = 'failed' OR (status = 'waiting' AND NOT {LACKS_OUTPUTS})) "
            "AND place NOT IN (SELECT place FROM temp.found)"
        )
    new_folders = connection.execute("SELECT DISTINCT folder FROM temp.found WHERE verdict = 'new'")
    for row in new_folders.fetchall():
        folder = PurePosixPath(os.fsdecode(row["folder"]))
        parents = [os.fsencode(str(path)) for path in (folder, *folder.parents) if path.name]
        connection.executemany("INSERT OR IGNORE INTO folders VALUES (?)", [(parent,) for parent in parents])
    name_outputs(connection, suffixes)
    connection.execute(
        "INSERT INTO images (place, path, name, kind, size, changed, height, width, status) "
        "SELECT place, path, name, kind, size, changed, height, width, 'waiting' FROM temp.found "
        "WHERE verdict = 'new' ORDER BY name"
    )
    connection.execute(
        "UPDATE images SET status = 'waiting', batch = NULL, lost = 0, blamed = 0, error = NULL, "
        "hash = NULL, height = f.height, width = f.width FROM temp.found f "
        "WHERE images.place = f.place AND f.verdict = 'changed' AND status IN ('done', 'failed', 'waiting')"
    )
    write_lost(store)
    connection.execute(
        "UPDATE images SET changed = f.changed FROM temp.found f "
        "WHERE images.place = f.place AND f.verdict = 'touched' AND status = 'done'"
    )
    # A link may have been signed again since. What has no size is no file that can be read here.
    connection.execute(
        "UPDATE images SET path = f.path FROM temp.found f "
        "WHERE images.place = f.place AND f.size IS NULL AND images.path <> f.path"
    )
    connection.execute(
        "INSERT OR IGNORE INTO images (place, path, status, error) "
        "SELECT place, path, 'failed', reason FROM temp.unusable"
    )
