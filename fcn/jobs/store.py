"""The store of a job: the images to label and their progress, in one SQLite file in the output folder.

A process may be killed at any moment. SQLite's write-ahead log keeps the file intact, also when the machine
loses power; then the last few images may be labeled again. A commit does not wait for the disk, so it takes
far less than a millisecond. The log requires that all processes of a job run on one machine.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fcn.errors import OutputError
from fcn.jobs.crash_isolation import release_claims, remove_outputs
from fcn.jobs.integrity import check_store, damaged, read_record, read_video_record
from fcn.jobs.migration import copy_path, migrate
from fcn.jobs.naming import relative_name
from fcn.jobs.schema import LABELED_BEFORE, SCHEMA, STORE_NAME, UNCHANGED, VERSION
from fcn.jobs.sources.links import shown_place
from fcn.jobs.task import Kind, Outcome, Task
from fcn.jobs.video_files import VideoFile, describe_video
from fcn.outputs.record import Record
from fcn.outputs.summaries import SummarizedImage
from fcn.system.files import remove, unwritable
from fcn.system.text import escape_undecodable

_MAX_WAIT_SECONDS = 600
_STAYS = " (its earlier outputs stay, and those that were added are missing)"


class JobStore:
    """The open store of a job; for use in one thread.

    Args:
        output: The folder of the job; made if it is missing.

    Attributes:
        output: The folder.
        connection: The open database.

    Raises:
        OutputError: If the folder cannot be written to, or the file is damaged, a link or of another version.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.path = output / STORE_NAME
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(output, error) from error
        for ending in ("", "-wal", "-shm"):
            if (link := self.path.with_name(f"{STORE_NAME}{ending}")).is_symlink():
                raise OutputError(
                    f"{link}: is a link, and SQLite would write to its target. Remove the link."
                )
        with self.guarded():
            self.connection = sqlite3.connect(
                self.path, timeout=_MAX_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            self.connection.row_factory = sqlite3.Row
            try:
                self._prepare()
            except BaseException:
                self.connection.close()
                raise
        self._has_copy = copy_path(output).exists()

    def _prepare(self) -> None:
        started = time.monotonic()
        while True:
            try:
                self.connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                # Here, unlike elsewhere, SQLite does not wait for another process that does the same.
                busy = error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY)
                if not busy or time.monotonic() > started + _MAX_WAIT_SECONDS:
                    raise
                time.sleep(0.05)
        self.connection.execute("PRAGMA synchronous = NORMAL")
        with self.transaction():
            (version,) = self.connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in SCHEMA.split(";"):
                    self.connection.execute(statement)
                self.connection.execute(f"PRAGMA user_version = {VERSION}")
            migrate(self.connection, self.path)
        check_store(self.connection, self.path)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turns SQLite's errors about the file into errors with a remedy.

        Raises:
            OutputError: If the file cannot be written to or read.
        """
        try:
            yield
        except sqlite3.DatabaseError as error:
            if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError)):
                raise
            # Errors of Python's module have no code: a text is not UTF-8.
            if not isinstance(error, sqlite3.OperationalError) or not hasattr(error, "sqlite_errorcode"):
                raise damaged(self.path, error) from error
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:
                raise  # a mistake in a statement
            raise unwritable(self.path, OSError(str(error))) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Runs a block as one transaction: all or nothing is kept, and no other process writes meanwhile."""
        with self.guarded():
            if (
                self.connection.in_transaction
            ):  # an interruption came before the block that would have ended it
                self.connection.execute("ROLLBACK")
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Closes the file."""
        with suppress(sqlite3.Error):
            self.connection.close()

    def settings(self) -> dict[str, str]:
        """Returns the settings of the job."""
        with self.guarded():
            rows = self.connection.execute("SELECT name, value FROM settings").fetchall()
        return {row["name"]: row["value"] for row in rows}

    def keep_settings(self, settings: Mapping[str, str]) -> None:
        """Writes settings of the job. Call it in a transaction."""
        self.connection.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", settings.items())

    def count(self, *statuses: str) -> int:
        """Returns how many images have one of the statuses."""
        marks = ", ".join("?" * len(statuses))
        query = f"SELECT count(*) FROM images WHERE status IN ({marks})"
        with self.guarded():
            return int(self.connection.execute(query, statuses).fetchone()[0])

    def has(self, kind: Kind) -> bool:
        """Returns whether the job has images, or videos, also such that were deleted since."""
        query = "SELECT EXISTS (SELECT 1 FROM images WHERE kind = ? AND name IS NOT NULL)"
        with self.guarded():
            return bool(self.connection.execute(query, (kind,)).fetchone()[0])

    def labeled_videos(self) -> dict[int, VideoFile]:
        """Returns what there is to tell of each labeled video, by its row, in the order of names."""
        query = "SELECT id, name, files, record FROM images WHERE status = 'done' AND kind = 'video'"
        with self.guarded():
            rows = self.connection.execute(f"{query} ORDER BY name").fetchall()
        return {
            row["id"]: describe_video(
                os.fsdecode(row["name"]),
                json.loads(row["files"]),
                read_video_record(row["record"], self.path),
            )
            for row in rows
        }

    def claim(self, worker: str) -> list[Task]:
        """Claims the next batch for a worker; returns an empty one if nothing waits that it may take now.

        A batch with crashes comes after all others, and only a worker with nothing else in hand may take it:
        if that worker crashes too, it was this batch. This does not apply if other processes label for the
        worker. A video, which may take hours, is always taken alone, so that the images labeled before it are
        in the store.
        """
        with self.transaction():
            following = self.connection.execute(
                "SELECT lost, batch, kind FROM images WHERE status = 'waiting' ORDER BY lost, batch LIMIT 1"
            ).fetchone()
            in_hand = self.connection.execute(
                "SELECT lost, kind, delegates FROM images JOIN workers ON workers.name = worker "
                "WHERE status = 'doing' AND worker = ? LIMIT 1",
                (worker,),
            ).fetchone()
            if following is None or (in_hand and not _may_hold_both(following, in_hand)):
                return []
            rows = self.connection.execute(
                "UPDATE images SET status = 'doing', worker = ?, attempts = attempts + 1 "
                "WHERE status = 'waiting' AND lost = ? AND batch = ? "
                "RETURNING id, place, path, name, kind, height * width AS pixels, hash, files",
                (worker, following["lost"], following["batch"]),
            ).fetchall()
        # RETURNING promises no order.
        return [
            Task(
                row["id"],
                os.fsdecode(row["place"]),
                os.fsdecode(row["path"]),
                os.fsdecode(row["name"]),
                row["kind"],
                row["pixels"],
                row["hash"],
                json.loads(row["files"] or "{}"),
            )
            for row in sorted(rows, key=lambda row: bytes(row["name"]))
        ]

    def finish(self, worker: str, outcomes: Sequence[Outcome]) -> None:
        """Writes the outcomes of images that a worker has claimed.

        An unchanged image that was labeled, and for which further outputs failed, keeps what is known of it.
        """
        rows = [
            {
                "status": "failed" if outcome.error else "done",
                "labeled": 0 if outcome.error else 1,
                "error": None if outcome.error is None else escape_undecodable(outcome.error),
                "seconds": outcome.seconds,
                "size": outcome.size,
                "changed": outcome.changed,
                "hash": outcome.hash,
                "files": json.dumps(outcome.files),
                "record": json.dumps(outcome.record),
                "id": outcome.id,
                "worker": worker,
            }
            for outcome in outcomes
        ]
        failed = [outcome.id for outcome in outcomes if outcome.error and not outcome.files]
        with self.transaction():
            remove_outputs(self.connection, self.output, failed)
            self.connection.executemany(
                "UPDATE images SET status = :status, labeled = labeled + :labeled, error = :error, "
                "seconds = :seconds, size = :size, changed = :changed, files = :files, worker = NULL, "
                f"hash = CASE WHEN {UNCHANGED} THEN hash ELSE :hash END, "
                f"record = CASE WHEN {UNCHANGED} THEN record ELSE :record END "
                "WHERE id = :id AND worker = :worker",
                rows,
            )
            self.connection.execute(
                "UPDATE workers SET finished = finished + ? WHERE name = ?", (len(rows), worker)
            )
        self.remove_copy()

    def remove_copy(self) -> None:
        """Removes the copy of the store of an older version, which is no longer needed."""
        if self._has_copy:
            remove(copy_path(self.output))
            self._has_copy = False

    def release(self, worker: str) -> int:
        """Makes what a worker claimed and did not finish wait again; returns how many images."""
        with self.transaction():
            return release_claims(self.connection, worker)

    def failures(self) -> list[tuple[str, str]]:
        """Returns the path and the reason of everything that could not be labeled, sorted by path.

        That includes what was labeled before and for which further outputs failed, until these are there.
        """
        query = f"SELECT path, error, {LABELED_BEFORE} AS known FROM images WHERE status = 'failed'"
        with self.guarded():
            rows = self.connection.execute(f"{query} ORDER BY path").fetchall()
        return [(shown_place(os.fsdecode(row["path"])), row["error"] + _STAYS * row["known"]) for row in rows]

    def summarized_images(self) -> Iterator[SummarizedImage]:
        """Yields each labeled image that was not deleted, by name; no videos.

        An image for which further outputs failed is there, but not `complete`.
        """
        for row, record in self._records(f"(status = 'done' OR {LABELED_BEFORE})"):
            name, path, place = (os.fsdecode(row[column]) for column in ("name", "path", "place"))
            complete = row["status"] == "done"
            yield SummarizedImage(shown_place(path), relative_name(name, place), row["id"], record, complete)

    def placed_records(self) -> Iterator[tuple[str, str, Record]]:
        """Yields absolute path or URL, name and record of the same images, if they are complete."""
        for row, record in self._records("status = 'done'"):
            yield shown_place(os.fsdecode(row["place"])), os.fsdecode(row["name"]), record

    def _records(self, labeled: str) -> Iterator[tuple[sqlite3.Row, Record]]:
        with self.guarded():
            rows = self.connection.execute(
                "SELECT id, path, place, name, status, record FROM images "
                f"WHERE {labeled} AND kind = 'image' AND NOT gone ORDER BY name"
            )
            for row in rows:
                yield row, read_record(row["record"], self.path)


def _may_hold_both(following: sqlite3.Row, in_hand: sqlite3.Row) -> bool:
    """Returns whether a worker may have both in hand at once."""
    both = (following, in_hand)
    suspects = not in_hand["delegates"] and any(row["lost"] for row in both)
    return not suspects and all(row["kind"] == "image" for row in both)
