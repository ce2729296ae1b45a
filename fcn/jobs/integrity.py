"""Checks the store of a job, which may be damaged, or edited to lead out of its folder."""

import math
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from fcn.data.image_header import MOST_MEGAPIXELS
from fcn.errors import OutputError, PlaceError
from fcn.jobs.schema import SCHEMA, STORE_NAME
from fcn.jobs.video_files import FRAME_SUFFIXES, OVERLAY_SUFFIXES
from fcn.outputs.record import Record
from fcn.outputs.render import ENDINGS
from fcn.system.json_files import parse_json
from fcn.system.places import output_below

_ENDINGS = ", ".join(f"'{ending}'" for ending in (*ENDINGS, *OVERLAY_SUFFIXES, *FRAME_SUFFIXES))
_COUNTS = ("batch", "attempts", "lost", "blamed", "labeled", "gone")
# What a row must not hold beside values of another type, and the column that is wrong then. Sides are
# multiplied and counts added to, in 64 bits.
_WRONG = {
    "workers": (("name", "name GLOB '*[^0-9a-f]*' OR length(name) <> 16"),),
    "images": (
        ("status", "status NOT IN ('waiting', 'doing', 'done', 'failed')"),
        ("name", "name IS NULL AND status <> 'failed'"),
        ("kind", "kind NOT IN ('image', 'video')"),
        *((side, f"{side} NOT BETWEEN 1 AND 1 << 31") for side in ("height", "width")),
        *((count, f"{count} NOT BETWEEN 0 AND 1 << 40") for count in _COUNTS),
        ("files", "files IS NULL AND status = 'done'"),
        ("files", "files IS NOT NULL AND (NOT json_valid(files) OR json_type(files) <> 'object')"),
        (
            "files",
            "EXISTS (SELECT 1 FROM json_each(files) AS file "
            f"WHERE file.type <> 'integer' OR file.key NOT IN ({_ENDINGS}))",
        ),
        ("record", "record IS NULL AND status = 'done'"),
    ),
}
_MAX_BATCH_SIZE = 1 << 31
ADJUSTABLE_SETTINGS = ("batch_size", "memory", "max_megapixels")
"""Settings that may change when a job is resumed; their values are numbers."""


def damaged(store: Path, reason: object) -> OutputError:
    """Returns the error to raise when the store of a job is damaged.

    Args:
        store: The file.
        reason: What is wrong with it.
    """
    return OutputError(
        f"{store}: is damaged or not the progress of a job ({reason}). Delete it to label everything again."
    )


def output_path(output: Path, name: str) -> Path:
    """Returns the path of an output of a job, to write or delete, from its name in the store.

    Args:
        output: The folder of the job.
        name: The name, relative to the folder.

    Raises:
        OutputError: If the name leads out of the folder, so the store is damaged, or a folder on the way is
            a link.

    Example:
        >>> output_path(Path("labels"), "cats/a.png").as_posix()
        'labels/cats/a.png'
    """
    store = output / STORE_NAME
    try:
        return output_below(output, name, str(store))
    except PlaceError as error:
        reason = str(error).removeprefix(f"{store}: ").partition(". ")[0]
        raise damaged(store, reason) from error


def check_store(connection: sqlite3.Connection, store: Path, lacking: Sequence[str] = ()) -> None:
    """Checks every field of a store but the records of images, which `read_record` checks.

    Args:
        connection: The open store.
        store: Its file, for the message.
        lacking: Columns that stores of its version do not have.

    Raises:
        OutputError: If a table or column is missing, a value is not one that a job writes, or there are
            statements that SQLite would run by itself.
    """
    query = "SELECT type FROM sqlite_master WHERE type IN ('trigger', 'view')"
    row = connection.execute(query).fetchone()
    if row is not None:
        raise damaged(store, f"it has a {row[0]} of its own")
    for table, types in _columns().items():
        found = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        types = {name: allowed for name, allowed in types.items() if name not in lacking}
        missing = sorted(types.keys() - found)
        if missing:
            raise damaged(store, f"{table} has no {', '.join(missing)}")
        cases = [(name, f"typeof({name}) NOT IN {allowed}") for name, allowed in types.items()]
        cases += [(name, wrong) for name, wrong in _WRONG.get(table, ()) if name not in lacking]
        whens = " ".join(f"WHEN {wrong} THEN '{name}'" for name, wrong in cases)
        query = f"SELECT wrong FROM (SELECT CASE {whens} END AS wrong FROM {table}) WHERE wrong IS NOT NULL"
        row = connection.execute(f"{query} LIMIT 1").fetchone()
        if row is not None:
            raise damaged(store, f"wrong value in {table}.{row[0]}")
    for name, value in connection.execute("SELECT name, value FROM settings").fetchall():
        if not _is_setting(name, value):
            raise damaged(store, f"wrong value of the setting {name!r}")


def read_record(text: str, store: Path) -> Record:
    """Returns the record of an image in a store.

    Args:
        text: The record as JSON.
        store: The file of the store, for the message.

    Raises:
        OutputError: If it is damaged.

    Example:
        >>> text = '{"height": 1, "width": 2, "mean_confidence": 0.5, "areas": {}, "annotations": []}'
        >>> read_record(text, Path("store"))["width"]
        2
    """
    try:
        record: Record = parse_json(text)
        whole = (
            _is_count(record["height"])
            and _is_count(record["width"])
            and _is_number(record["mean_confidence"])
            and _is_count(record.get("left_out", 0))
            and isinstance(record.get("cvat", ""), str)
            and _is_number(record.get("doubtful", 0))
            and all(_is_number(share) for share in dict.values(record["areas"]))
            and isinstance(record["annotations"], list)
            and all(isinstance(annotation, dict) for annotation in record["annotations"])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(store, "wrong value in images.record") from error
    if not whole:
        raise damaged(store, "wrong value in images.record")
    return record


def read_video_record(text: str, store: Path) -> dict[str, str]:
    """Returns the record of a video in a store: texts by name.

    Args:
        text: The record as JSON.
        store: The file of the store, for the message.

    Raises:
        OutputError: If it is damaged.
    """
    try:
        record = parse_json(text)
    except ValueError as error:
        raise damaged(store, "wrong value in images.record") from error
    if not isinstance(record, dict) or not all(isinstance(value, str) for value in record.values()):
        raise damaged(store, "wrong value in images.record")
    return record


@cache
def _columns() -> Mapping[str, Mapping[str, str]]:
    """Returns the types that each column of each table may have, as a list in SQL."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            table: {
                name: f"('{declared.lower()}')" if required or key else f"('{declared.lower()}', 'null')"
                for _, name, declared, required, _, key in connection.execute(f"PRAGMA table_info({table})")
            }
            for (table,) in tables
        }


def _is_setting(name: str, text: str) -> bool:
    try:
        if name == "batch_size":
            return 1 <= int(text) <= _MAX_BATCH_SIZE
        if name == "memory":
            return 0 < float(text) < math.inf
        if name == "max_megapixels":
            return 1 <= int(text) <= MOST_MEGAPIXELS
        value = parse_json(text)
    except ValueError:
        return False
    return isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) for part in value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)
