"""Tests that a damaged or edited store neither leads out of its folder nor ends in a traceback."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from job_program import run_job
from photographs import contents_below, write_image, write_video

from fcn.errors import FcnError, OutputError
from fcn.jobs.integrity import check_store, read_record
from fcn.jobs.store import STORE_NAME, JobStore

KINDS = ("palette", "areas")
PARTIAL = ".0123456789abcdef.tmp.png"
WRONG: tuple[Any, ...] = (
    None,
    -1,
    1 << 62,
    1.5,
    "",
    "text",
    b"\xff\x00/../../x",
    "[]",
    '{"": 1}',
    '{"/../../victim/x.png": 3}',
    "[" * 5000,
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with images, their labels in `at/out`, and `victim`, which must stay as it is."""
    for name in ("a.png", "b.png", "sub/c.png"):
        write_image(tmp_path / "in" / name)
    for name in ("x.png", "x.overlay.mp4", PARTIAL, "x.lock", "c.png"):
        (tmp_path / "victim").mkdir(exist_ok=True)
        (tmp_path / "victim" / name).write_bytes(b"mine")
    run_job(tmp_path / "at" / "out", tmp_path / "in", kinds=KINDS)
    return tmp_path


def edit(place: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(place / "at" / "out" / STORE_NAME)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(statement, values)


def run(place: Path) -> None:
    """Runs the job after its images were damaged, so that outputs are deleted and written."""
    (place / "in" / "a.png").write_bytes(b"not an image")
    write_image(place / "in" / "new.png")
    run_job(place / "at" / "out", place / "in", kinds=KINDS)


def refusal(place: Path, action: Callable[[Path], None] = run) -> str:
    before = contents_below(place / "victim")
    with pytest.raises(OutputError) as caught:
        action(place)
    assert contents_below(place / "victim") == before
    assert {path.name for path in place.iterdir()} == {"in", "at", "victim"}
    assert {path.name for path in (place / "at").iterdir()} == {"out"}
    return str(caught.value)


@pytest.mark.parametrize("status", ["done", "waiting", "failed", "doing"])
def test_an_edited_name_deletes_and_writes_nothing_outside(place: Path, status: str) -> None:
    edit(place, "UPDATE images SET name = ?, status = ? WHERE name = ?", b"../../victim/x", status, b"a")
    message = refusal(place) if status == "done" else refusal(place, run_waiting)
    assert f"{STORE_NAME}: is damaged" in message
    assert "names '../../victim/x.png', which is outside of the folder" in message
    assert "Delete it to label everything again." in message


def run_waiting(place: Path) -> None:
    """Runs the job with images that are whole, also those that failed."""
    output = place / "at" / "out"
    edit(place, "UPDATE images SET status = 'waiting' WHERE status = 'failed'")
    edit(place, "INSERT INTO workers VALUES (?, 'host', 1, 0.5, 0, 0)", "0" * 16)
    edit(place, "UPDATE images SET worker = ? WHERE status = 'doing'", "0" * 16)
    run_job(output, place / "in", kinds=KINDS)


def test_an_edited_name_of_a_video_writes_nothing_outside(place: Path) -> None:
    write_video(place / "in" / "v.mp4", 3)
    run_job(place / "at" / "out", place / "in", kinds=KINDS)
    edit(
        place,
        "UPDATE images SET name = ?, status = 'waiting' WHERE name = ?",
        b"../../victim/x",
        b"v.overlay",
    )
    assert "names '../../victim/x.mp4'" in refusal(place)


def test_an_edited_ending_deletes_nothing_outside(place: Path) -> None:
    files = json.dumps({"/../../../victim/x.png": 4})
    edit(place, "UPDATE images SET files = ? WHERE name = ?", files, b"a")
    assert "wrong value in images.files" in refusal(place)


def test_an_edited_folder_removes_no_partial_files_outside(place: Path) -> None:
    edit(place, "INSERT INTO workers VALUES (?, 'host', 1, 0.5, 0, 0)", "0" * 16)
    edit(place, "INSERT INTO folders VALUES (?)", b"../../victim")
    assert "outside of the folder" in refusal(place)


def test_an_edited_worker_locks_and_removes_nothing_outside(place: Path) -> None:
    edit(place, "INSERT INTO workers VALUES (?, 'host', 1, 0.5, 0, 0)", "/../../../victim/x")
    assert "wrong value in workers.name" in refusal(place)


def columns() -> list[tuple[str, str]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        from fcn.jobs.schema import SCHEMA

        connection.executescript(SCHEMA)
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return [
            (table, row[1]) for table in tables for row in connection.execute(f"PRAGMA table_info({table})")
        ]


def run_to_message(place: Path) -> str | None:
    try:
        run(place)
    except FcnError as error:
        return str(error)
    return None


@pytest.mark.parametrize(("table", "column"), columns())
def test_any_wrong_value_is_one_message_and_changes_nothing_outside(
    place: Path, table: str, column: str
) -> None:
    edit(place, "INSERT INTO workers VALUES (?, 'host', 1, 0.5, 0, 0)", "0" * 16)
    before, victim = (place / "at" / "out" / STORE_NAME).read_bytes(), contents_below(place / "victim")
    refused = 0
    for value in WRONG:
        (place / "at" / "out" / STORE_NAME).write_bytes(before)
        with suppress(sqlite3.IntegrityError):
            edit(
                place,
                f"UPDATE {table} SET {column} = ? WHERE rowid = 1"
                if table != "folders"
                else f"UPDATE {table} SET {column} = ?",
                value,
            )
        message = run_to_message(place)
        refused += message is not None
        assert "\n" not in (message or "")
        assert contents_below(place / "victim") == victim
    assert refused or (table, column) in (("images", "error"), ("images", "id"))  # any text; any number


@pytest.mark.parametrize(("table", "column"), columns())
def test_a_missing_column_is_one_message(place: Path, table: str, column: str) -> None:
    edit(place, f"ALTER TABLE {table} RENAME COLUMN {column} TO other")
    assert f"is damaged or not the progress of a job ({table} has no {column})" in refusal(place)


def test_a_missing_table_is_one_message(place: Path) -> None:
    for table in ("settings", "workers", "folders", "images"):
        edit(place, f"ALTER TABLE {table} RENAME TO other")
        assert f"({table} has no " in refusal(place)
        edit(place, f"ALTER TABLE other RENAME TO {table}")


def test_text_that_is_not_utf8_is_one_message(place: Path) -> None:
    edit(place, "UPDATE settings SET value = CAST(x'ff' AS TEXT)")
    assert "is damaged" in refusal(place)


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "[]", "{}", "[" * 100_000),
        '{"height": 1, "width": 1, "mean_confidence": "", "areas": {}}',
        '{"height": 1, "width": 1, "mean_confidence": 1, "doubtful": "", "areas": {}, "annotations": []}',
    ],
)
def test_a_damaged_record_is_one_message(text: str) -> None:
    with pytest.raises(OutputError, match=r"^store: is damaged .*images\.record\)\. Delete"):
        read_record(text, Path("store"))


@pytest.mark.parametrize("wrong", ['"left_out": -1', '"left_out": "x"', '"cvat": 1', '"cvat": null'])
def test_what_a_record_may_lack_is_checked_where_it_is(wrong: str) -> None:
    text = '{"height": 1, "width": 2, "mean_confidence": 0.5, "areas": {}, "annotations": []'
    assert read_record(f'{text}, "left_out": 3, "cvat": ""}}', Path("store"))["left_out"] == 3
    with pytest.raises(OutputError, match=r"images\.record"):
        read_record(f"{text}, {wrong}}}", Path("store"))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER endless AFTER UPDATE ON images BEGIN UPDATE images SET error = (WITH RECURSIVE "
        "numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) SELECT max(n) FROM numbers); END",
        "CREATE VIEW more AS SELECT * FROM images",
    ],
)
def test_a_store_that_runs_statements_by_itself_is_refused(place: Path, statement: str) -> None:
    edit(place, statement)
    assert "of its own). Delete it" in refusal(place)


def test_the_store_of_a_job_that_was_killed_is_accepted(place: Path) -> None:
    edit(
        place,
        "UPDATE images SET status = 'doing', worker = ?, files = NULL, record = NULL, hash = NULL, "
        "size = NULL, changed = NULL, seconds = NULL",
        "0" * 16,
    )
    run_waiting(place)
    assert len(contents_below(place / "at" / "out")) == 4


def test_a_whole_store_is_accepted(place: Path) -> None:
    store = JobStore(place / "at" / "out")
    with closing(store):
        check_store(store.connection, store.path)
        assert len([*store.summarized_images()]) == 3


@pytest.mark.parametrize("deleted", [True, False])
def test_outputs_are_neither_written_nor_deleted_through_a_link(place: Path, deleted: bool) -> None:
    sub = place / "at" / "out" / "sub"
    (sub / "c.png").rename(place / "at" / "out" / "c.png")
    sub.rmdir()
    sub.symlink_to(place / "victim")
    if deleted:
        (place / "in" / "sub" / "c.png").write_bytes(b"not an image")
    assert f"{sub}: is a link, and nothing is written or deleted through links" in refusal(place)


def test_a_link_in_place_of_an_output_is_replaced(place: Path) -> None:
    label = place / "at" / "out" / "b.png"
    whole = label.read_bytes()
    label.unlink()
    label.symlink_to(place / "victim" / "x.png")
    before = contents_below(place / "victim")
    run(place)
    assert label.read_bytes() == whole
    assert not label.is_symlink()
    assert contents_below(place / "victim") == before


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
def test_a_store_that_is_a_link_is_refused(place: Path, ending: str) -> None:
    link = place / "at" / "out" / f"{STORE_NAME}{ending}"
    link.unlink(missing_ok=True)
    link.symlink_to(place / "victim" / "x.png")
    assert f"{link}: is a link" in refusal(place)
