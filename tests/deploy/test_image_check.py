"""Tests of the messages of `make image-check` when it cannot run; a full run needs its own machine."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "image_check.sh"
PROGRAMS = ("buildah", "debootstrap", "ip", "jq", "nsenter", "setpriv", "unshare")


def run_with(
    tmp_path: Path, programs: dict[str, str], **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs the script where only these programs are, each a line of shell."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, line in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    for name in ("bash", "dirname", "mktemp", "rm"):
        (folder / name).symlink_to(shutil.which(name) or "")
    return subprocess.run(
        [shutil.which("bash") or "bash", SCRIPT],
        env={"PATH": str(folder), "TMPDIR": str(tmp_path)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("missing", PROGRAMS)
def test_a_missing_program_is_named_with_how_to_get_it(tmp_path: Path, missing: str) -> None:
    done = run_with(tmp_path, {name: "exit 0" for name in PROGRAMS if name != missing})
    assert done.returncode == 2
    assert f"image-check: {missing} is not installed. Expected: apt-get install buildah " in done.stderr


def test_who_is_not_root_is_told_so(tmp_path: Path) -> None:
    done = run_with(tmp_path, dict.fromkeys(PROGRAMS, "exit 0") | {"id": "echo 1000"})
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected root" in done.stderr


def test_a_machine_without_namespaces_is_told_so_and_nothing_is_left(tmp_path: Path) -> None:
    done = run_with(tmp_path, dict.fromkeys(PROGRAMS, "exit 0") | {"id": "echo 0", "unshare": "exit 1"})
    assert done.returncode == 2
    assert "namespaces are not permitted" in done.stderr
    assert os.listdir(tmp_path) == ["bin"]


def test_an_image_that_it_cannot_try_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    programs = dict.fromkeys(PROGRAMS, "exit 0") | {"id": "echo 0", "umount": "exit 0"}
    done = run_with(tmp_path, programs, STAGES="serve infer")
    assert (done.returncode, done.stdout) == (2, "")
    assert "STAGES: expected serve, train or both. Received: infer." in done.stderr
    assert os.listdir(tmp_path) == ["bin"]
