"""Jobs that are killed, or shared by several workers, must end as ones that never were."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from job_program import run_job
from killed_job_program import POINTS
from photographs import contents_below, write_image

from fcn.jobs.store import STORE_NAME

TESTS = Path(__file__).parents[1]


def start(output: Path, folder: Path, seconds: float, batch_size: int = 3) -> subprocess.Popen[str]:
    return start_program("job_program.py", output, seconds, batch_size, folder)


def start_program(name: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(TESTS / name), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> list[int]:
    """Waits for a worker; returns how many images it labeled, how many are labeled, and how many failed."""
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return [int(number) for number in output.split()]


def rows(output: Path, columns: str) -> list[tuple[int, ...]]:
    with closing(sqlite3.connect(output / STORE_NAME)) as connection:
        return connection.execute(f"SELECT {columns} FROM images ORDER BY name").fetchall()


def wait_for(output: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Waits until a number of labels are there."""
    for _ in range(3000):
        if len([*output.rglob("[!.]*.png")]) >= count or process.poll() is not None:
            return
        time.sleep(0.02)
    raise AssertionError("no labels come")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(60):
        write_image(folder / f"{number % 4}/{number:02} \udcff\n.jpg", 16 + 8 * (number % 3), 24)
    return folder


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The labels of a job that nobody killed or shared."""
    output = tmp_path_factory.mktemp("whole")
    run_job(output, images, batch_size=3)
    return output


@pytest.fixture(scope="module")
def run_until_killed() -> Iterator[Callable[..., int]]:
    """Runs a worker that kills itself; returns its exit status. All are forks of one program."""
    program = start_program("killed_job_program.py")
    assert program.stdin
    assert program.stdout

    def run(point: str, times: int, output: Path, folder: Path) -> int:
        print(json.dumps([point, times, str(output), str(folder)]), file=program.stdin, flush=True)
        return int(program.stdout.readline())

    yield run
    _, errors = program.communicate(timeout=60)
    assert not errors


COLUMNS = "place, name, size, hash, batch, status, files"


@pytest.mark.parametrize(("point", "times"), [(point, 2 if "batch" in point else 1) for point in POINTS])
def test_killed_at_a_named_point_equals_never_killed(
    point: str, times: int, images: Path, whole: Path, tmp_path: Path, run_until_killed: Callable[..., int]
) -> None:
    killed = tmp_path / "killed"
    assert run_until_killed(point, times, killed, images) == -signal.SIGKILL
    done = [status for (status,) in rows(killed, "status")].count("done")
    written = len([*killed.rglob("[!.]*.png")])
    if point in ("joining, its lock file is there", "planning, before the commit"):
        assert (done, written) == (0, 0)
    elif point == "before a file gets its name":
        assert done == 0
        assert [*killed.rglob(".*.tmp.png")]
    elif point == "after a file was written":
        assert done == 0 < written
    elif point == "when all is done":
        assert (done, written) == (60, 60)
    elif point == "finishing a batch, before the commit":
        assert done == 3 < written
    elif point == "after a batch was finished":
        assert done == 6 <= written
    result = run_job(killed, images, batch_size=3)
    assert (result.written, result.labeled, result.failed) == (60 - done, 60, ())
    assert contents_below(killed) == contents_below(whole)
    assert rows(killed, COLUMNS) == rows(whole, COLUMNS)
    assert {*rows(killed, "labeled")} == {(1,)}
    # Locks and files that were half written are gone too.
    assert not [path for path in killed.rglob(".*") if path.name != STORE_NAME]


@pytest.mark.exhaustive
def test_killed_at_random_moments_equals_never_killed(images: Path, whole: Path, tmp_path: Path) -> None:
    kills = 30
    killed = tmp_path / "killed"
    chance, done = random.Random(kills), 0
    while done < kills:
        labels = len([*killed.rglob("[!.]*.png")])
        process = start(killed, images, 3 / kills)
        try:
            if done % 5 == 4:  # also while it starts and searches
                time.sleep(chance.uniform(0, 1.5))
            else:
                wait_for(killed, labels + chance.randrange(3), process)
                time.sleep(chance.uniform(0, 0.2))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                done += 1
            else:
                assert process.returncode == 0
                killed.joinpath(STORE_NAME).rename(tmp_path / f"finished{done}")
        finally:
            process.kill()
            process.communicate()
    finish(start(killed, images, 0))
    assert contents_below(killed) == contents_below(whole)
    assert rows(killed, COLUMNS) == rows(whole, COLUMNS)
    # Each image is finished once, and claimed again only if it was in hand at a kill: four batches are read
    # ahead, one is labeled, two are written, one waits to be written.
    attempts = rows(killed, "attempts, labeled")
    assert {labeled for _, labeled in attempts} == {1}
    assert sum(attempt - 1 for attempt, _ in attempts) <= 9 * 3 * kills


def test_two_workers_label_each_image_once(images: Path, whole: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    workers = [start(shared, images, 0.3) for _ in range(2)]
    try:
        written = [finish(worker) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [total for _, total, _ in written] == [60, 60]
    assert sum(own for own, _, _ in written) == 60
    assert min(own for own, _, _ in written) > 0
    assert contents_below(shared) == contents_below(whole)
    assert {*rows(shared, "attempts, labeled, status")} == {(1, 1, "done")}


@pytest.mark.slow
def test_a_worker_takes_over_what_a_killed_one_had_in_hand(images: Path, tmp_path: Path) -> None:
    output = tmp_path / "labels"
    first = start(output, images, 0.5)
    try:
        wait_for(output, 9, first)  # so that some are in the store
        second = start(output, images, 0.1)
        wait_for(output, 18, second)
        # Stopped, it lives: the other waits for what it has in hand, and does not touch it.
        first.send_signal(signal.SIGSTOP)
        with pytest.raises(subprocess.TimeoutExpired):
            second.communicate(timeout=5)
        doing = [status for (status,) in rows(output, "status") if status == "doing"]
        first.kill()
        own, total, failed = finish(second)
    finally:
        for worker in (first, second):
            worker.kill()
            worker.communicate()
    assert doing
    assert (total, failed) == (60, 0)
    assert own < 60
    assert {*rows(output, "labeled, status")} == {(1, "done")}
    # What the killed one left is gone too.
    assert not [path for path in output.rglob(".*") if path.name != STORE_NAME]
