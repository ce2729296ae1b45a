"""Jobs killed at random moments, and shared by several workers, must end as ones that never were."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from job_program import run_job
from photographs import contents_below, write_image

from fcn.jobs.store import STORE_NAME

TESTS = Path(__file__).parents[1]


def start(output: Path, folder: Path, seconds: float, batch_size: int = 3) -> subprocess.Popen[str]:
    command = [sys.executable, TESTS / "job_program.py", output, seconds, batch_size, folder]
    return subprocess.Popen(
        [str(part) for part in command],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])},
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


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    for number in range(60):
        name = f"{number % 4}/{number:02} \udcff\n.jpg"
        write_image(tmp_path / "photographs" / name, 16 + 8 * (number % 3), 24)
    return tmp_path / "photographs"


@pytest.mark.parametrize(
    "kills",
    [pytest.param(5, marks=pytest.mark.slow), pytest.param(30, marks=pytest.mark.exhaustive)],
)
def test_killed_at_random_moments_equals_never_killed(kills: int, photographs: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run_job(whole, photographs, batch_size=3)
    chance, done = random.Random(kills), 0
    while done < kills:
        labels = len([*killed.rglob("[!.]*.png")])
        process = start(killed, photographs, 3 / kills)
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
    finish(start(killed, photographs, 0))
    assert contents_below(killed) == contents_below(whole)
    assert rows(killed, "place, name, size, hash, batch, status, files") == rows(
        whole, "place, name, size, hash, batch, status, files"
    )
    # Finished once, each; begun again only if it was in hand when its worker was killed: four batches are
    # read ahead, one is labeled, two are written, one waits to be.
    attempts = rows(killed, "attempts, labeled")
    assert {labeled for _, labeled in attempts} == {1}
    assert sum(attempt - 1 for attempt, _ in attempts) <= 9 * 3 * kills


def test_two_workers_label_each_image_once(photographs: Path, tmp_path: Path) -> None:
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    run_job(whole, photographs, batch_size=3)
    workers = [start(shared, photographs, 0.3) for _ in range(2)]
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
def test_a_worker_takes_over_what_a_killed_one_had_in_hand(photographs: Path, tmp_path: Path) -> None:
    output = tmp_path / "labels"
    first = start(output, photographs, 0.5)
    try:
        wait_for(output, 9, first)  # so that some are in the store
        second = start(output, photographs, 0.1)
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
