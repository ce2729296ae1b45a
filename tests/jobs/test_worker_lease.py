"""Tests of the locks that workers hold and leave behind."""

import errno
import fcntl
import os
from pathlib import Path

import pytest
from job_program import run_job
from photographs import write_image

from fcn.jobs.store import JobStore
from fcn.jobs.worker_lease import leased_worker


def test_the_lock_of_a_worker_killed_as_it_came_goes(tmp_path: Path) -> None:
    write_image(tmp_path / "in" / "a.jpg")
    run_job(tmp_path / "out", tmp_path / "in")
    (tmp_path / "out" / ".fcn-job.0123456789abcdef.lock").touch()
    run_job(tmp_path / "out", tmp_path / "in")
    assert not [*(tmp_path / "out").glob(".fcn-job.*.lock")]


def test_the_lock_of_one_that_works_stays(tmp_path: Path) -> None:
    with leased_worker(JobStore(tmp_path)) as one:
        with leased_worker(JobStore(tmp_path)) as other:
            assert one.other_workers() == [other.name]
        assert len([*tmp_path.glob(".fcn-job.*.lock")]) == 1
    assert not [*tmp_path.glob(".fcn-job.*.lock")]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks_has_room_for_one_worker(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    write_image(tmp_path / "in" / "a.jpg")
    assert run_job(tmp_path / "out", tmp_path / "in").written == 1
    with leased_worker(JobStore(tmp_path / "out")) as one, leased_worker(JobStore(tmp_path / "out")) as other:
        assert other.other_workers() == one.other_workers() == []
    assert not [*(tmp_path / "out").glob(".fcn-job.*.lock")]
