"""Tests that jobs of an earlier version of the tables continue, whatever happens while they are migrated."""

import os
import random
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from deaths import TESTS, running_forks
from job_program import run_job
from migrating_job_program import POINTS
from photographs import contents_below, write_image, write_video

from fcn.errors import OutputError
from fcn.jobs.job import open_job
from fcn.jobs.locks import lock_path, open_lock
from fcn.jobs.migration import copy_path
from fcn.jobs.restart import forget_job
from fcn.jobs.schema import STORE_NAME
from fcn.jobs.store import JobStore

FIXTURE = TESTS / "fixtures" / "job" / "labels" / STORE_NAME
OLD_COLUMNS = (
    "id, place, path, name, size, changed, hash, height, width, batch, status, worker, attempts, lost, "
    "blamed, labeled, gone, seconds, error, files, record"
)


def read(store: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(store)) as connection:
        return connection.execute(query).fetchall()


def version(store: Path) -> int:
    return int(read(store, "PRAGMA user_version")[0][0])


def columns(store: Path) -> list[str]:
    return [row[1] for row in read(store, "PRAGMA table_info(images)")]


def rows(store: Path) -> list[list[tuple[Any, ...]]]:
    """Returns all that a store of either version holds, but the kinds."""
    queries = (f"SELECT {OLD_COLUMNS} FROM images ORDER BY id", "SELECT * FROM settings ORDER BY name")
    return [read(store, query) for query in (*queries, "SELECT * FROM folders", "SELECT * FROM workers")]


def kinds(store: Path) -> dict[str, str]:
    return {os.fsdecode(path): kind for path, kind in read(store, "SELECT path, kind FROM images")}


def make_old(store: Path) -> None:
    """Makes a store one of version 3."""
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("ALTER TABLE images DROP COLUMN kind")
        connection.execute("PRAGMA user_version = 3")
    assert columns(store) == columns(FIXTURE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(8):
        write_image(tmp_path / "in" / f"{number}.png")
    return tmp_path / "in"


@pytest.fixture
def output(folder: Path, tmp_path: Path) -> Path:
    """A job of version 3: four images and a video are labeled, four more and another video are not."""
    output = tmp_path / "out"
    late = [folder / f"{number}.png" for number in range(4, 8)]
    for path in late:
        path.rename(path.with_suffix(".later"))
    write_video(folder / "a.mp4", 2)
    run_job(output, folder, batch_size=1)
    for path in late:
        path.with_suffix(".later").rename(path)
    shutil.copy(folder / "a.mp4", folder / "B ü.MOV")
    with open_job(output, [folder], {"model": "brightness"}, ("palette", "overlay")):
        pass
    make_old(output / STORE_NAME)
    return output


def test_a_job_of_earlier_code_is_migrated_and_the_old_store_kept(tmp_path: Path) -> None:
    store = Path(shutil.copy(FIXTURE, tmp_path))
    before = rows(store)
    JobStore(tmp_path).close()
    assert (version(store), version(copy_path(tmp_path))) == (4, 3)
    assert rows(store) == rows(copy_path(tmp_path)) == before
    assert {*kinds(store).values()} == {"image"}
    assert columns(copy_path(tmp_path)) == columns(FIXTURE)
    assert sorted(path.name for path in tmp_path.iterdir()) == [STORE_NAME, copy_path(tmp_path).name]


def test_a_new_store_and_a_migrated_one_have_the_same_columns(output: Path, tmp_path: Path) -> None:
    JobStore(output).close()
    JobStore(tmp_path / "new").close()
    query = "PRAGMA table_info(images)"
    assert read(output / STORE_NAME, query) == read(tmp_path / "new" / STORE_NAME, query)


def test_the_kinds_are_those_of_the_files_and_the_job_goes_on(
    output: Path, folder: Path, tmp_path: Path
) -> None:
    store = output / STORE_NAME
    result = run_job(output, folder, batch_size=1)
    assert (result.written, result.labeled, result.videos) == (5, 10, 2)
    assert {Path(path).name for path, kind in kinds(store).items() if kind == "video"} == {
        "a.mp4",
        "B ü.MOV",
    }
    assert not copy_path(output).exists()
    run_job(tmp_path / "whole", folder, batch_size=1)
    assert contents_below(output) == contents_below(tmp_path / "whole")
    assert {labeled for (labeled,) in read(store, "SELECT labeled FROM images")} == {1}


def test_the_copy_stays_until_images_are_finished_and_can_take_the_place_of_the_store(
    output: Path, folder: Path
) -> None:
    before = rows(output / STORE_NAME)
    with open_job(output, [folder], {"model": "brightness"}, ("palette", "overlay")):
        assert version(output / STORE_NAME) == 4
    with pytest.raises(OutputError, match="other settings"):
        run_job(output, folder, model="other")
    assert rows(copy_path(output)) == before
    copy_path(output).replace(output / STORE_NAME)
    assert version(output / STORE_NAME) == 3
    assert run_job(output, folder, batch_size=1).written == 5


def test_a_finished_job_keeps_no_copy(folder: Path, tmp_path: Path) -> None:
    run_job(tmp_path / "out", folder)
    make_old(tmp_path / "out" / STORE_NAME)
    assert run_job(tmp_path / "out", folder).written == 0
    assert version(tmp_path / "out" / STORE_NAME) == 4
    assert not copy_path(tmp_path / "out").exists()


def test_a_job_that_is_forgotten_leaves_no_copy(output: Path) -> None:
    JobStore(output).close()
    forget_job(output)
    assert not [*output.glob(".*")]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (5, "a newer version of this package: its tables have version 5, and this one knows 3 and 4. Update"),
        (2, "a much older version of this package: its tables have version 2, and this one knows 3 and 4. C"),
    ],
)
def test_a_version_that_is_not_known_is_refused_by_name(number: int, said: str, output: Path) -> None:
    store = output / STORE_NAME
    with closing(sqlite3.connect(store)) as connection:
        connection.execute(f"PRAGMA user_version = {number}")
    before = rows(store)
    with pytest.raises(OutputError) as caught:
        JobStore(output)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{store}: ")
    assert (version(store), rows(store)) == (number, before)
    assert not copy_path(output).exists()


def test_a_job_that_an_earlier_version_is_labeling_is_refused(output: Path) -> None:
    with closing(sqlite3.connect(output / STORE_NAME)) as connection, connection:
        connection.execute("INSERT INTO workers VALUES ('0123456789abcdef', 'here', 77, 0.5, 0, 0)")
    with open_lock(lock_path(output, "0123456789abcdef")), pytest.raises(OutputError, match="process 77 on"):
        JobStore(output)
    assert version(output / STORE_NAME) == 3
    JobStore(output).close()
    assert version(output / STORE_NAME) == 4


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE images RENAME TO other", "images has no "),
        ("ALTER TABLE images RENAME COLUMN place TO other", "images has no place"),
        ("UPDATE images SET place = 'text' WHERE id = 1", r"wrong value in images\.place"),
        (
            "CREATE TRIGGER more AFTER UPDATE ON images BEGIN DELETE FROM settings; END",
            "a trigger of its own",
        ),
        ("INSERT INTO workers VALUES ('/../../x', 'here', 1, 0.5, 0, 0)", r"wrong value in workers\.name"),
    ],
)
def test_a_damaged_store_is_refused_as_it_is(statement: str, said: str, output: Path) -> None:
    with closing(sqlite3.connect(output / STORE_NAME)) as connection, connection:
        connection.execute(statement)
    before = (output / STORE_NAME).read_bytes()
    with pytest.raises(OutputError, match=f"is damaged .*{said}"):
        JobStore(output)
    assert version(output / STORE_NAME) == 3
    assert (output / STORE_NAME).read_bytes()[100:] == before[100:]
    assert not copy_path(output).exists()


@pytest.fixture(scope="module")
def migrate() -> Iterator[Any]:
    with running_forks("migrating_job_program.py") as run:
        yield run


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_point_the_store_is_whole(
    point: str, output: Path, folder: Path, tmp_path: Path, migrate: Any
) -> None:
    store, before = output / STORE_NAME, rows(output / STORE_NAME)
    assert migrate(point, str(output)) == -signal.SIGKILL
    assert version(store) == (4 if point == "after the commit" else 3)
    assert columns(store) == [*columns(FIXTURE), *(["kind"] if version(store) == 4 else [])]
    assert rows(store) == before
    if copy_path(output).exists():
        assert rows(copy_path(output)) == before
    assert copy_path(output).exists() == (point != "before the copy gets its name")
    result = run_job(output, folder, batch_size=1)
    assert (result.written, result.labeled, result.videos) == (5, 10, 2)
    run_job(tmp_path / "whole", folder, batch_size=1)
    assert contents_below(output) == contents_below(tmp_path / "whole")
    assert [path.name for path in output.glob(".*")] == [STORE_NAME]


@pytest.mark.slow
def test_killed_at_random_moments_a_large_store_is_whole(output: Path, migrate: Any) -> None:
    store = output / STORE_NAME
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.executemany(
            "INSERT INTO images (place, path, name, status) VALUES (?, ?, ?, 'waiting')",
            ((b"/x/%d.mp4" % number, b"%d.mp4" % number, b"v%d" % number) for number in range(20_000)),
        )
    before, saved = rows(store), store.read_bytes()
    chance, versions = random.Random(3), []
    for _ in range(12):
        store.write_bytes(saved)
        for ending in ("-wal", "-shm"):
            store.with_name(f"{STORE_NAME}{ending}").unlink(missing_ok=True)
        migrate(chance.uniform(0, 0.3), str(output))
        versions.append(version(store))
        assert columns(store) == [*columns(FIXTURE), *(["kind"] if versions[-1] == 4 else [])]
        assert rows(store) == before
        if versions[-1] == 4:
            assert [*kinds(store).values()].count("video") == 20_002
    assert 3 in versions
