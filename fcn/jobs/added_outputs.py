"""Adds kinds of outputs to a job that has labeled images without them.

Images that lack a kind wait again, with what they have: their hash, files and record. A worker labels such an
image, and if its content is the same, writes only the files that it lacks (`fcn.jobs.pipeline`). Videos are
labeled again if labels of their frames are added.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from fcn.errors import OutputError
from fcn.jobs.settings import check_settings
from fcn.jobs.sources.links import is_url, shown_place
from fcn.jobs.store import JobStore
from fcn.jobs.video_settings import read_video_settings
from fcn.outputs.frames import FRAME_KINDS
from fcn.outputs.render import RASTER_OUTPUTS, check_outputs
from fcn.system.files import content_hash

_SETTING = "outputs"
_OF_ALL_RECORDS = frozenset({"areas"})
"""Kinds that are written from the records of images, whatever else a job writes."""

_TIFF_SUFFIXES = (".tif", ".tiff")

LACKS_OUTPUTS = "(kind = 'image' AND coalesce(record, '{}') <> '{}' AND hash IS NOT NULL)"
"""What is true, in SQL, of images that wait and were labeled: they wait for further outputs alone."""


def written_outputs(store: JobStore) -> list[str]:
    """Returns what a job writes; nothing for a new one."""
    text = store.settings().get(_SETTING)
    return json.loads(text)[0].split(", ") if text else []


def join_outputs(store: JobStore, wanted: Sequence[str]) -> tuple[str, ...]:
    """Returns what a job is to write: what it writes already, and what is wanted. Call it in a transaction.

    Raises:
        OutputError: If both cannot be in one folder.
    """
    known = written_outputs(store)
    try:
        joined = check_outputs([*known, *wanted])
    except ValueError as error:
        # One kind would have to replace the files of another: `a.png` holds either colors or ids, also where
        # only the frames of a video would get ids; `coco.json` has either polygons or run lengths; and
        # rasters are never whole in memory, as other kinds need them.
        raise OutputError(
            f"{store.output}: holds a job with other settings (outputs: {', '.join(known)}, now "
            f"{', '.join(wanted)}). {error} Choose another output folder, or add --restart to label "
            "everything again."
        ) from error
    check_settings(store, {_SETTING: ", ".join(known or joined)})
    return joined


def add_outputs(store: JobStore, kinds: Sequence[str], alone: bool) -> bool:
    """Makes images wait that lack some of the kinds that a job is to write. Call it in a transaction.

    Images that were labeled, and that nothing leads to now, are left out of the files about all images, until
    they are found again.

    Args:
        store: The store, with the table `temp.found`.
        kinds: What `join_outputs` returned.
        alone: Whether no other worker is alive.

    Returns:
        Whether images were left out.

    Raises:
        OutputError: If other workers are alive, who would not write the kinds that are new; or if the kinds
            are of TIFFs alone, and other images were labeled.
    """
    added = set(kinds) - set(written_outputs(store))
    if not added:
        return False
    if not alone:
        raise OutputError(
            f"{store.output}: is being labeled by another process, without {', '.join(sorted(added))}. Wait "
            "until it ends or stop it, then run the same command again."
        )
    if rasters := sorted(added & RASTER_OUTPUTS):
        _refuse_other_images(store, rasters[0])
    store.keep_settings({_SETTING: json.dumps([", ".join(kinds)] * 2)})
    if added & {*FRAME_KINDS} and read_video_settings(store).by_frame:
        store.connection.execute(
            "UPDATE images SET status = 'waiting', batch = NULL, lost = 0, blamed = 0 "
            "WHERE status = 'done' AND kind = 'video' AND place IN (SELECT place FROM temp.found)"
        )
    if added <= _OF_ALL_RECORDS:
        return False
    store.connection.execute(
        "UPDATE images SET status = 'waiting', batch = NULL, lost = 0, blamed = 0 "
        f"WHERE status = 'done' AND NOT gone AND {LACKS_OUTPUTS}"
    )
    store.connection.execute("UPDATE images SET hash = NULL WHERE status = 'done' AND gone")
    return leave_out_lost(store)


def _refuse_other_images(store: JobStore, kind: str) -> None:
    """Refuses to add outputs of TIFFs to images that are no TIFFs by their names: each would fail.

    Raises:
        OutputError: If such an image was labeled.
    """
    query = (
        "SELECT place, place IN (SELECT place FROM temp.found) AS found FROM images "
        "WHERE status = 'done' AND kind = 'image' AND NOT gone ORDER BY name"
    )
    # Closed at once: an open cursor would keep the table from being dropped.
    with closing(store.connection.execute(query)) as rows:
        for row in rows:
            place = os.fsdecode(row["place"])
            is_tiff = not is_url(place) and place.lower().endswith(_TIFF_SUFFIXES)
            if not is_tiff and (row["found"] or _can_be_read(place)):
                raise OutputError(
                    f"{store.output}: {kind} cannot be added, since {shown_place(place)} was labeled too, "
                    f"which is not a TIFF file. Label the TIFFs with {kind} into another folder."
                )


def leave_out_lost(store: JobStore) -> bool:
    """Gives up adding kinds to images that nothing leads to any more; returns whether there are any.

    Their files stay. If such an image is found again, it is labeled as a changed one. Call it in a
    transaction.
    """
    connection = store.connection
    waiting = connection.execute(
        f"SELECT id, place FROM images WHERE status = 'waiting' AND {LACKS_OUTPUTS} "
        "AND place NOT IN (SELECT place FROM temp.found)"
    )
    lost = [(row["id"],) for row in waiting if not _can_be_read(os.fsdecode(row["place"]))]
    connection.executemany("UPDATE images SET status = 'done', gone = 1, hash = NULL WHERE id = ?", lost)
    return bool(lost)


def _can_be_read(place: str) -> bool:
    return not is_url(place) and os.access(place, os.R_OK)


def has_unlabeled(store: JobStore) -> bool:
    """Returns whether images are not labeled yet that are new or were changed."""
    query = (
        f"SELECT EXISTS (SELECT 1 FROM images WHERE status IN ('waiting', 'doing') AND NOT {LACKS_OUTPUTS})"
    )
    with store.guarded():
        return bool(store.connection.execute(query).fetchone()[0])


@contextmanager
def times_kept(paths: Iterable[Path]) -> Iterator[None]:
    """Keeps the times of files that the block replaces by files with the same content."""
    before = {path: (path.stat(), content_hash([path])) for path in paths if path.is_file()}
    yield
    for path, (status, digest) in before.items():
        if path.is_file() and content_hash([path]) == digest:
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
