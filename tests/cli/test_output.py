"""Commands whose output cannot be written, or that lack memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATE = ("data", "generate", "drawn", "--train", "1", "--val", "1")


def start(folder: Path, output: int, *arguments: str, kilobytes: object = "unlimited") -> tuple[int, str]:
    """Runs a command with limited memory; returns its exit code and its messages."""
    done = subprocess.run(
        ["sh", "-c", f'ulimit -v {kilobytes}; exec "$@"', "sh", sys.executable, "-m", "fcn", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_on_a_full_disk_is_one_message(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        code, said = start(tmp_path, full.fileno(), *GENERATE)
    assert (code, said.count("\n")) == (2, 1), said
    assert "No space left on device. Free space" in said
    assert (tmp_path / "drawn" / "labels.txt").exists()


def test_a_reader_that_has_ended_is_no_error(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert start(tmp_path, writer, *GENERATE) == (141, "")
    finally:
        os.close(writer)
    assert (tmp_path / "drawn" / "labels.txt").exists()


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [400, 900])
def test_too_little_memory_is_a_message(megabytes: int, model_path: Path, tmp_path: Path) -> None:
    command = ("inspect", str(model_path))
    code, said = start(tmp_path, subprocess.DEVNULL, *command, kilobytes=megabytes << 10)
    assert (code, said.count("\n")) == (2, 1), said
    assert "not enough memory" in said
