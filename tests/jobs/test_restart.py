"""Tests of starting a job over, also where that is cut short."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from job_program import run_job
from photographs import contents_below, write_image

from fcn.jobs.restart import _BEFORE, recover_restart, restarting
from fcn.jobs.store import STORE_NAME, JobStore


@pytest.fixture
def output(tmp_path: Path) -> Path:
    write_image(tmp_path / "in" / "a.png")
    run_job(tmp_path / "out", tmp_path / "in")
    return tmp_path / "out"


@pytest.mark.parametrize("left", [None, b"", b"SQLite format 3\0" + bytes(4080)])
def test_the_job_before_is_back_if_nothing_came_of_the_next(
    left: bytes | None, output: Path, tmp_path: Path
) -> None:
    before = contents_below(output)
    # What a process leaves that was killed, and what one that found the disk full.
    os.replace(output / STORE_NAME, output / _BEFORE)
    if left is not None:
        (output / STORE_NAME).write_bytes(left)
    recover_restart(output)
    assert run_job(output, tmp_path / "in").written == 0
    assert contents_below(output) == before
    with suppress(OSError), restarting(output):
        if left is not None:
            (output / STORE_NAME).write_bytes(left)
        raise OSError("full")
    assert run_job(output, tmp_path / "in").written == 0
    assert contents_below(output) == before


def test_a_job_that_was_started_over_stays(output: Path, tmp_path: Path) -> None:
    os.replace(output / STORE_NAME, output / _BEFORE)
    JobStore(output).close()
    with restarting(output):
        assert not (output / STORE_NAME).exists()
        assert run_job(output, tmp_path / "in", model="another").written == 1
    assert run_job(output, tmp_path / "in", model="another").written == 0
    assert not (output / _BEFORE).exists()
