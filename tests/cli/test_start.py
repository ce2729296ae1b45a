"""Commands in a Python that lacks the packages."""

import subprocess
import sys
from pathlib import Path

import pytest

from fcn.cli.start import _missing

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "command", [["infer.py", "RUN", "images"], ["train.py", "x.yaml"], ["-m", "fcn", "doctor"]]
)
def test_a_python_without_the_packages_is_told_in_one_message(command: list[str]) -> None:
    # Without `site`, Python finds no packages that are installed.
    done = subprocess.run(
        [sys.executable, "-E", "-S", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "has no package pydantic, which every command needs. " in done.stderr


def test_the_environment_beside_the_package_is_named(tmp_path: Path) -> None:
    assert "make quickstart" in _missing("pydantic", tmp_path)
    (tmp_path / ".venv").mkdir()
    script = tmp_path / ".venv" / "bin" / "activate"
    assert _missing("pydantic", tmp_path, windows=False).endswith(f"run the same command: source {script}")
    assert "Scripts" in _missing("pydantic", tmp_path, windows=True)
