"""The store of a job: what there is to label and how far it is, in one SQLite file in the output folder.

A process may be killed at any moment. SQLite's write-ahead log keeps the file whole, also when the machine
loses power; then the last few images may be labeled again. A commit does not wait for the disk, and so takes
far less than a millisecond. The log needs all processes of a job on one machine.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from fcn.errors import OutputError
from fcn.inference.video import is_video
from fcn.jobs.crash_isolation import release_claims, remove_outputs
from fcn.jobs.schema import SCHEMA, VERSION
from fcn.outputs.record import Record
from fcn.system.files import unwritable

STORE_NAME = ".fcn-job.sqlite"
"""Name of the store in an output folder."""

_MAX_WAIT_SECONDS = 600


class Claimed(NamedTuple):
    """An image that this worker is to label.

    Attributes:
        id: Its row.
        place: Where to read it.
        path: Where it is, in the user's words.
        name: Path of its outputs without their suffixes, relative to the output folder.
        pixels: How many it has, by its header; None where that is not known.
    """

    id: int
    place: str
    path: str
    name: str
    pixels: int | None = None


class Outcome(NamedTuple):
    """What came of an image.

    Attributes:
        id: Its row.
        error: Why it could not be labeled; None if it was.
        seconds: How long its turn took.
        size: Bytes of what was read; None if nothing was.
        changed: When the file was changed, in nanoseconds; None where nobody knows.
        hash: SHA-256 of what was read.
        files: Sizes of the outputs, by suffix.
        record: What else to keep; JSON values.
    """

    id: int
    error: str | None = None
    seconds: float = 0
    size: int | None = None
    changed: int | None = None
    hash: str | None = None
    files: Mapping[str, int] = {}
    record: Mapping[str, Any] = {}


class JobStore:
    """An open store; used in one thread.

    Args:
        output: The folder of the job; made if it is missing.

    Attributes:
        output: The folder.
        connection: The open file.

    Raises:
        OutputError: If the place cannot be written to, or there is a file that is no store.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.path = output / STORE_NAME
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(output, error) from error
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

    def _prepare(self) -> None:
        begun = time.monotonic()
        while True:
            try:
                self.connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                # Two processes that change this at once do not wait for each other, as they do elsewhere.
                busy = error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY)
                if not busy or time.monotonic() > begun + _MAX_WAIT_SECONDS:
                    raise
                time.sleep(0.05)
        self.connection.execute("PRAGMA synchronous = NORMAL")
        with self.transaction():
            (version,) = self.connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in SCHEMA.split(";"):
                    self.connection.execute(statement)
                self.connection.execute(f"PRAGMA user_version = {VERSION}")
        if version not in (0, VERSION):
            raise OutputError(
                f"{self.path}: was written by another version of this package. Choose another output folder, "
                "or delete the file to label everything anew."
            )

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turns what SQLite says of the disk into what a user can do.

        Raises:
            OutputError: If the file cannot be written to or read.
        """
        try:
            yield
        except sqlite3.DatabaseError as error:
            if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError)):
                raise
            if not isinstance(error, sqlite3.OperationalError):
                raise OutputError(
                    f"{self.path}: is damaged, or no store of a job ({error}). "
                    "Delete it to label everything anew."
                ) from error
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) == sqlite3.SQLITE_ERROR:
                raise  # a statement that is wrong
            raise unwritable(self.path, OSError(str(error))) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Does all of a block or nothing, and alone."""
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
        """Returns what the job was begun with."""
        with self.guarded():
            rows = self.connection.execute("SELECT name, value FROM settings").fetchall()
        return {row["name"]: row["value"] for row in rows}

    def keep_settings(self, settings: Mapping[str, str]) -> None:
        """Writes what the job is begun with. To be called in a transaction."""
        self.connection.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", settings.items())

    def count(self, *statuses: str) -> int:
        """Returns how many images have one of some statuses."""
        marks = ", ".join("?" * len(statuses))
        query = f"SELECT count(*) FROM images WHERE status IN ({marks})"
        with self.guarded():
            return int(self.connection.execute(query, statuses).fetchone()[0])

    def count_videos(self) -> int:
        """Returns how many of what is labeled are videos, which alone leave no record."""
        query = "SELECT count(*) FROM images WHERE status = 'done' AND record = '{}'"
        with self.guarded():
            return int(self.connection.execute(query).fetchone()[0])

    def claim(self, worker: str) -> list[Claimed]:
        """Takes the next batch for a worker; an empty one if nothing waits, or not for a worker with others.

        A batch that was lost with its worker comes after all others, and is taken by a worker that has
        nothing else in hand: should that one go too, it was this batch. Not so if other processes label for
        the worker. A video, which may take hours, is taken like that by all, so that what was labeled before
        it is in the store.
        """
        with self.transaction():
            following = self.connection.execute(
                "SELECT lost, batch, place FROM images WHERE status = 'waiting' ORDER BY lost, batch LIMIT 1"
            ).fetchone()
            in_hand = self.connection.execute(
                "SELECT lost, place, delegates FROM images JOIN workers ON workers.name = worker "
                "WHERE status = 'doing' AND worker = ? LIMIT 1",
                (worker,),
            ).fetchone()
            if following is None or (in_hand and not _may_hold_both(following, in_hand)):
                return []
            rows = self.connection.execute(
                "UPDATE images SET status = 'doing', worker = ?, attempts = attempts + 1 "
                "WHERE status = 'waiting' AND lost = ? AND batch = ? "
                "RETURNING id, place, path, name, height * width AS pixels",
                (worker, following["lost"], following["batch"]),
            ).fetchall()
        # What is returned is in no order that anyone promises.
        return [
            Claimed(
                row["id"],
                os.fsdecode(row["place"]),
                os.fsdecode(row["path"]),
                os.fsdecode(row["name"]),
                row["pixels"],
            )
            for row in sorted(rows, key=lambda row: bytes(row["name"]))
        ]

    def finish(self, worker: str, outcomes: Sequence[Outcome]) -> None:
        """Writes what came of images that a worker claimed."""
        rows = [
            (
                "failed" if outcome.error else "done",
                0 if outcome.error else 1,
                None if outcome.error is None else escape_undecodable(outcome.error),
                outcome.seconds,
                outcome.size,
                outcome.changed,
                outcome.hash,
                json.dumps(outcome.files),
                json.dumps(outcome.record),
                outcome.id,
                worker,
            )
            for outcome in outcomes
        ]
        failed = [outcome.id for outcome in outcomes if outcome.error and not outcome.files]
        with self.transaction():
            remove_outputs(self.connection, self.output, failed)
            self.connection.executemany(
                "UPDATE images SET status = ?, labeled = labeled + ?, error = ?, seconds = ?, size = ?, "
                "changed = ?, hash = ?, files = ?, record = ?, worker = NULL WHERE id = ? AND worker = ?",
                rows,
            )
            self.connection.execute(
                "UPDATE workers SET finished = finished + ? WHERE name = ?", (len(rows), worker)
            )

    def release(self, worker: str) -> int:
        """Lets others have what a worker claimed and did not finish; returns how many images."""
        with self.transaction():
            return release_claims(self.connection, worker)

    def failures(self) -> list[tuple[str, str]]:
        """Returns the paths of what could not be labeled, and why, sorted by path."""
        with self.guarded():
            rows = self.connection.execute(
                "SELECT path, error FROM images WHERE status = 'failed' ORDER BY path"
            ).fetchall()
        return [(os.fsdecode(row["path"]), row["error"]) for row in rows]

    def records(self) -> Iterator[tuple[str, str, Record]]:
        """Yields path, name and record of each labeled image that is there, by name; videos have none."""
        with self.guarded():
            rows = self.connection.execute(
                "SELECT path, name, record FROM images "
                "WHERE status = 'done' AND NOT gone AND record <> '{}' ORDER BY name"
            )
            for row in rows:
                yield os.fsdecode(row["path"]), os.fsdecode(row["name"]), json.loads(row["record"])


def _may_hold_both(following: sqlite3.Row, in_hand: sqlite3.Row) -> bool:
    """Returns whether a worker may have both in hand."""
    both = (following, in_hand)
    suspects = not in_hand["delegates"] and any(row["lost"] for row in both)
    return not suspects and not any(is_video(os.fsdecode(row["place"])) for row in both)


def escape_undecodable(text: str) -> str:
    r"""Returns a text in which bytes of a path that are none have become `\udc..`, which SQLite can keep."""
    return text.encode("utf-8", "backslashreplace").decode()
