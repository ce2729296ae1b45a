"""Commands in a Python that is too old, or lacks the packages."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fcn.cli.start import _OLDEST_PYTHON, _remedy

ROOT = Path(__file__).parents[2]
OLDER = [name for name in ("python3.9", "python3.10") if shutil.which(name)]
# As an older Python calls itself. It may lack more than the version tells: see the test with a real one.
PRETEND_3_10 = """
import runpy, sys
sys.version_info = (3, 10, 13, "final", 0)
sys.argv = ["fcn", "doctor"]
runpy.run_module("fcn", run_name="__main__")
"""


def run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    "command", [["infer.py", "RUN", "images"], ["train.py", "x.yaml"], ["-m", "fcn", "doctor"]]
)
def test_a_python_without_the_packages_is_told_in_one_message(command: list[str]) -> None:
    # Without `site`, Python finds no packages that are installed.
    done = run([sys.executable, "-E", "-S", *command])
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "has no package pydantic, which every command needs. " in done.stderr


def test_an_older_python_is_told_in_one_message() -> None:
    done = run([sys.executable, "-c", PRETEND_3_10])
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith("Error: Python 3.11 to 3.13 is needed. Received: Python 3.")


@pytest.mark.parametrize("python", OLDER)
@pytest.mark.parametrize("command", [["infer.py", "RUN", "images"], ["-m", "fcn", "doctor"]])
def test_a_real_older_python_is_told_in_one_message(python: str, command: list[str]) -> None:
    if run([python, "-c", ""]).returncode:
        pytest.skip(f"{python} does not start")
    done = run([python, "-B", *command])
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert f"is needed. Received: Python {python.removeprefix('python')}." in done.stderr


def test_the_versions_named_are_those_that_the_package_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (project["requires-python"], _OLDEST_PYTHON) == (">=3.11,<3.14", (3, 11))


def test_the_environment_of_the_checkout_is_named(tmp_path: Path) -> None:
    assert "make quickstart" in _remedy(tmp_path)
    (tmp_path / ".venv").mkdir()
    script = tmp_path / ".venv" / "bin" / "activate"
    assert _remedy(tmp_path, windows=False).endswith(f"run the same command: source {script}")


def test_on_windows_the_path_to_activate_needs_no_quotes(tmp_path: Path) -> None:
    folder = tmp_path / "my nets"
    (folder / ".venv").mkdir(parents=True)
    expected = rf"run the same command: .venv\Scripts\activate in the folder {folder}"
    assert _remedy(folder, windows=True).endswith(expected)
