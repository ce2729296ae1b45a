"""Jobs on disks that fill up: one message, what is written stays valid, and the same command goes on."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from job_program import run_job
from photographs import contents_below, files_below, write_image
from progress_lines import without_progress

from fcn.data.image_io import read_image, read_label

TESTS = Path(__file__).parents[1]


def work(output: Path, folder: Path, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TESTS / "job_program.py"), str(output), "0", "1", str(folder)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])},
        preexec_fn=limit and (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(40):
        write_image(tmp_path / "in" / f"{number:02}.png", 80, 64)
    return tmp_path / "in"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=320k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("may not mount a file system")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def check_stopped(done: subprocess.CompletedProcess[str], output: Path) -> None:
    assert done.returncode == 2, done.stderr
    assert without_progress(done.stderr).count("\n") == 1
    assert without_progress(done.stderr).startswith(f"Error: {output}/")
    assert "cannot be written" in done.stderr
    for name in files_below(output):
        if name.endswith(".png"):
            assert read_label(output / name).shape == (80, 64)
        elif name.endswith(".jpg"):
            read_image(output / name)


@pytest.mark.slow
def test_a_disk_that_fills_up_stops_the_job(folder: Path, small_disk: Path, tmp_path: Path) -> None:
    output = small_disk / "labels"
    check_stopped(work(output, folder), output)
    check_stopped(work(output, folder), output)
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    assert work(output, folder).returncode == 0
    run_job(tmp_path / "whole", folder)
    assert contents_below(output) == contents_below(tmp_path / "whole")


@pytest.mark.slow
def test_a_store_that_may_not_grow_stops_the_job(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "labels"
    check_stopped(work(output, folder, limit=150_000), output)
    done = work(output, folder)
    assert (done.returncode, without_progress(done.stderr)) == (0, "")
    run_job(tmp_path / "whole", folder)
    assert contents_below(output) == contents_below(tmp_path / "whole")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_stops_the_job(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "labels"
    output.mkdir(mode=0o500)
    check_stopped(work(output, folder), output)
