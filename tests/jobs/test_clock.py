"""The clock of the day jumps by hours while a job is labeled: nothing is labeled twice, waits or is lost."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from clocks import jumping
from job_program import run_job
from photographs import contents_below, write_image

from fcn.jobs.store import STORE_NAME

TESTS = Path(__file__).parents[1]
HOURS = 5


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(30):
        write_image(folder / f"{number:02}.png", 16, 24 + number)
    return folder


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The labels of a job under a clock that nobody sets."""
    output = tmp_path_factory.mktemp("whole")
    run_job(output, images, batch_size=3)
    return output


def start(hours: float, output: Path, images: Path, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, TESTS / "jumping_job_program.py", str(hours), output, str(seconds), "3", images],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows(output: Path) -> set[tuple[object, ...]]:
    with closing(sqlite3.connect(output / STORE_NAME)) as connection:
        return {*connection.execute("SELECT status, labeled FROM images")}


def test_a_job_under_a_jumping_clock(
    images: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", jumping(3600 * HOURS))
    result = run_job(tmp_path, images, batch_size=3)
    assert (result.written, result.labeled, result.failed) == (30, 30, ())
    assert contents_below(tmp_path) == contents_below(whole)
    monkeypatch.setattr(time, "time", jumping(-3600 * HOURS))
    result = run_job(tmp_path, images, batch_size=3)
    assert (result.written, result.labeled) == (0, 30)


@pytest.mark.parametrize("hours", [-HOURS, HOURS])
def test_files_of_another_time(tmp_path: Path, hours: int) -> None:
    folder, output, other = tmp_path / "images", tmp_path / "labels", tmp_path / "other.bmp"
    for path in (*(folder / f"{number}.bmp" for number in range(6)), other):
        write_image(path, 16, 24)
    assert run_job(output, folder).written == 6
    moved = time.time() + 3600 * hours
    for path in folder.iterdir():
        os.utime(path, (moved, moved))
    assert run_job(output, folder).written == 0  # the same content under another time
    changed = folder / "0.bmp"
    assert changed.stat().st_size == other.stat().st_size
    changed.write_bytes(other.read_bytes())
    os.utime(changed, (moved - 60, moved - 60))
    assert run_job(output, folder).written == 1  # other content, older by its time


@pytest.mark.slow
def test_workers_whose_clocks_are_hours_apart(images: Path, whole: Path, tmp_path: Path) -> None:
    workers = [start(hours, tmp_path, images, 0.2) for hours in (HOURS, -HOURS)]
    try:
        written = []
        for worker in workers:
            output, errors = worker.communicate(timeout=300)
            assert worker.returncode == 0, errors
            written.append([int(number) for number in output.split()])
    finally:
        for worker in workers:
            worker.kill()
    assert sum(own for own, _, _ in written) == 30
    assert [total for _, total, _ in written] == [30, 30]
    assert rows(tmp_path) == {("done", 1)}
    assert contents_below(tmp_path) == contents_below(whole)


@pytest.mark.slow
@pytest.mark.parametrize("hours", [-HOURS, HOURS])
def test_a_worker_takes_over_from_a_killed_one_of_another_time(
    images: Path, whole: Path, tmp_path: Path, hours: int
) -> None:
    first = start(hours, tmp_path, images, 0.3)
    try:
        until = time.monotonic() + 120
        while len([*tmp_path.rglob("[!.]*.png")]) < 6 and time.monotonic() < until:
            time.sleep(0.02)
        first.kill()
        first.communicate()
        assert "doing" in {status for status, _ in rows(tmp_path)}
        second = start(-hours, tmp_path, images, 0)
        _, errors = second.communicate(timeout=300)
    finally:
        first.kill()
    assert second.returncode == 0, errors
    assert rows(tmp_path) == {("done", 1)}
    assert contents_below(tmp_path) == contents_below(whole)
