"""Tests of images that crash their worker, and of healthy ones that it had in hand."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from job_program import Brightness, run_job
from photographs import contents_below, write_image, write_video

from fcn.jobs.crash_isolation import note_delegation
from fcn.jobs.job import open_job
from fcn.jobs.store import STORE_NAME, JobStore
from fcn.jobs.task import Outcome, Task
from fcn.jobs.worker_lease import WorkerLease

TESTS = Path(__file__).parents[1]
KINDS = ("palette", "overlay")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(30):
        write_image(tmp_path / "in" / f"{number:02}.png", 16 + 8 * (number % 2), 24)
    return tmp_path / "in"


def work(output: Path, folder: Path, batch_size: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TESTS / "job_program.py"), str(output), "0", str(batch_size), str(folder)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])},
        capture_output=True,
        text=True,
        check=False,
    )


def column(output: Path, name: str) -> list[object]:
    with closing(sqlite3.connect(output / STORE_NAME)) as connection:
        return [value for (value,) in connection.execute(f"SELECT {name} FROM images ORDER BY place")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("batch_size", "deaths"),
    # A batch of one crashes with others in hand, then among the suspects, then alone; a batch of three also
    # has to be split, and one image of it is labeled first.
    [pytest.param(1, 6, marks=pytest.mark.exhaustive), (3, 10)],
)
def test_an_image_that_kills_the_process_fails_and_the_others_are_labeled(
    batch_size: int, deaths: int, folder: Path, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run_job(whole, folder, batch_size=batch_size)
    cv2.imwrite(str(folder / "05 deadly.png"), np.full((24, 24, 3), 255, np.uint8))
    for death in range(deaths):
        assert work(killed, folder, batch_size).returncode == -signal.SIGKILL
        if death == 2:  # it comes last, so that no other waits for it
            assert column(killed, "status").count("done") == 31 - batch_size
    done = work(killed, folder, batch_size)
    assert (done.returncode, done.stdout.split()[1:]) == (0, ["30", "1"])
    (path, reason) = run_job(killed, folder, batch_size=batch_size).failed[0]
    assert path == folder / "05 deadly.png"
    assert reason.startswith("crashed the process ")
    assert "--retry-failed" in reason
    assert contents_below(killed) == contents_below(whole)
    # Told to, it is tried again; mended, it is labeled.
    with open_job(killed, [folder], {"model": "brightness"}, KINDS) as job:
        job.retry_failed()
    assert work(killed, folder, batch_size).returncode == -signal.SIGKILL
    write_image(folder / "05 deadly.png")
    assert run_job(killed, folder, batch_size=batch_size).failed == ()


def test_being_told_to_stop_is_not_a_crash(folder: Path, tmp_path: Path) -> None:
    class Stops(Brightness):
        def label(self, images):  # type: ignore[no-untyped-def, override]
            raise KeyboardInterrupt

    for _ in range(6):
        with pytest.raises(KeyboardInterrupt):
            run_job(tmp_path / "out", folder, engine=Stops())
    assert max(column(tmp_path / "out", "attempts")) == 6
    assert {*column(tmp_path / "out", "lost")} == {0}


class Worker:
    """A worker as the store sees it; after a crash its claims stay."""

    def __init__(self, output: Path) -> None:
        self.store = JobStore(output)
        self.lease = WorkerLease(self.store)
        self.lease.acquire()

    def claim(self) -> list[Task]:
        return self.store.claim(self.lease.name)

    def delegate(self) -> None:
        with self.store.transaction():
            note_delegation(self.store.connection, self.lease.name)

    def crash(self) -> None:
        self.lease._lock.release()  # as the system does; the file stays
        self.store.close()

    def stop_with_a_full_disk(self) -> None:
        self.lease._lock_path(self.lease.name).unlink()
        self.crash()


@pytest.fixture
def output(folder: Path, tmp_path: Path) -> Path:
    output = tmp_path / "out"
    with open_job(output, [folder], {"model": "brightness"}, KINDS, 3) as job:
        job.store.connection.execute("UPDATE images SET attempts = 1")  # or the job would be removed
    return output


def test_a_killed_worker_counts_crashes_and_one_that_left_a_full_disk_does_not(
    output: Path,
) -> None:
    for leave, crash_count in ((Worker.stop_with_a_full_disk, 0), (Worker.crash, 6)):
        worker = Worker(output)
        assert len(worker.claim() + worker.claim()) == 6
        leave(worker)
        other = Worker(output)
        assert sum(column(output, "lost")) == crash_count  # type: ignore[arg-type]
        assert {*column(output, "status")} == {"waiting"}
        other.lease.release()
        other.store.close()


def test_a_batch_with_a_crash_is_taken_last_and_alone(output: Path) -> None:
    worker = Worker(output)
    lost = {image.path for image in worker.claim() + worker.claim()}
    worker.crash()
    worker = Worker(output)
    for _ in range(8):
        assert not lost & {image.path for image in worker.claim()}
    assert worker.claim() == []  # there are some, but not in company
    with worker.store.transaction():
        worker.store.connection.execute("UPDATE images SET status = 'done' WHERE status = 'doing'")
    alone = worker.claim()
    assert {image.path for image in alone} < lost
    assert worker.claim() == []
    worker.store.finish(worker.lease.name, [Outcome(image.id) for image in alone])
    assert len(worker.claim()) == 3
    assert worker.claim() == []
    worker.crash()


def test_a_worker_that_delegates_makes_no_suspects_and_takes_several(output: Path) -> None:
    worker = Worker(output)
    lost = {image.path for image in worker.claim() + worker.claim()}
    worker.crash()
    for _ in range(2):
        worker = Worker(output)
        worker.delegate()
        claimed = [image.path for _ in range(10) for image in worker.claim()]
        assert len(claimed) == 30
        assert lost == {*claimed[-6:]}  # after all others, as ever
        worker.crash()
    Worker(output).crash()
    assert column(output, "status") == ["waiting"] * 30
    assert sorted(column(output, "lost")) == [0] * 24 + [1] * 6  # type: ignore[type-var]


def test_a_video_is_a_suspect_for_every_worker(tmp_path: Path) -> None:
    video, output = write_video(tmp_path / "clip.mp4", 2), tmp_path / "out"
    with open_job(output, [video], {"model": "brightness"}, KINDS, 3) as job:
        job.store.connection.execute("UPDATE images SET attempts = 1")
    worker = Worker(output)
    worker.delegate()
    assert [image.path for image in worker.claim()] == [str(video)]
    assert worker.claim() == []
    worker.crash()
    Worker(output).crash()
    assert column(output, "lost") == [1]


def test_claims_look_at_few_rows_however_many_are_in_hand(output: Path) -> None:
    worker = Worker(output)
    worker.claim()
    statements: list[str] = []
    worker.store.connection.set_trace_callback(statements.append)
    assert worker.claim()
    worker.store.connection.set_trace_callback(None)
    steps = [
        step["detail"]
        for statement in statements
        if statement.startswith(("SELECT", "UPDATE"))
        for step in worker.store.connection.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]
    worker.crash()
    assert [step for step in steps if "images" in step and "(worker=?)" in step]
    assert not [step for step in steps if step.startswith(("SCAN", "USE TEMP"))]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_killed_at_random_moments_no_healthy_image_fails_and_no_batch_is_split(
    seed: int, output: Path
) -> None:
    batches = column(output, "batch")
    chance = random.Random(seed)
    for _ in range(30):
        worker = Worker(output)
        in_hand: list[list[Task]] = []
        for finished in range(chance.choice([0, 1, 1, 2, 2, 3]), -1, -1):
            while len(in_hand) < 4 and (claimed := worker.claim()):
                in_hand.append(claimed)
            if in_hand and finished:
                done = in_hand.pop(0)
                worker.store.finish(worker.lease.name, [Outcome(image.id) for image in done])
        worker.crash()
    assert "failed" not in column(output, "status")
    assert column(output, "batch") == batches
