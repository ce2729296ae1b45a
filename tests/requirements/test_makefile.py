"""What `make` installs, and when it starts over: with make, venv and pip, and a package of nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "nothing"
version = "1"
"""
BACKEND = """
import zipfile
from pathlib import Path


def build_editable(folder, settings=None, metadata=None):
    name = "nothing-1-py3-none-any.whl"
    with zipfile.ZipFile(Path(folder, name), "w") as wheel:
        known = "Metadata-Version: 2.1\\nName: nothing\\nVersion: 1\\n"
        wheel.writestr("nothing-1.dist-info/METADATA", known)
        tags = "Root-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr("nothing-1.dist-info/WHEEL", f"Wheel-Version: 1.0\\n{tags}")
        wheel.writestr("nothing-1.dist-info/RECORD", "")
    return name
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_an_environment_is_extended_and_kept_unless_its_pins_change(tmp_path: Path) -> None:
    shutil.copy(MAKEFILE, tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "backend.py").write_text(BACKEND)
    pins = tmp_path / "requirements"
    pins.mkdir()
    for name in ("runtime", "dev"):
        (pins / f"{name}.txt").write_text("# nothing\n")
    environment = tmp_path / ".venv"
    kept = environment / "kept"

    def make(target: str) -> None:
        command = ["make", target, f"PYTHON={sys.executable}"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def age(*stamps: str) -> None:
        for stamp in stamps:
            os.utime(environment / stamp, (1, 1))

    make(".venv/runtime")
    assert not (environment / "installed").exists()
    kept.touch()
    make("install")
    assert (environment / "installed").exists()
    age("runtime")
    (environment / "runtime").unlink()  # as an earlier Makefile left it, or an interrupted installation
    make("install")
    assert kept.exists()

    present = (pins / "runtime.txt").stat().st_mtime
    os.utime(pins / "runtime.txt", (1, 1))
    os.utime(environment / "runtime", (2, 2))
    make("install")  # pyproject.toml alone is newer
    assert kept.exists()
    os.utime(pins / "runtime.txt", (present, present))
    age("runtime")
    make(".venv/runtime")
    assert not kept.exists()
    assert (environment / "runtime").exists()


def claim_version(path: Path, version: tuple[int, int]) -> None:
    """Writes a Python that says it is of another version, and notes what modules it should run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = -m ] && {{ echo "{path.name} $@" >> modules; exit 0; }}\n'
        f'exec {sys.executable} -c "import sys; sys.version_info = {version}; $2"\n'
    )
    path.chmod(0o755)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("found", "default", "given", "expected"),
    [
        ((3, 12), (3, 11), None, "kept"),
        ((3, 12), (3, 14), None, "kept"),
        ((3, 10), (3, 12), None, "made"),
        ((3, 14), (3, 14), None, "refused"),
        ((3, 14), (3, 14), (3, 12), "made"),
        ((3, 12), (3, 11), (3, 13), "made"),
        ((3, 12), (3, 11), (3, 12), "kept"),
        ((3, 12), (3, 11), (3, 14), "refused"),
    ],
)
def test_an_environment_is_kept_if_its_python_fits(
    found: tuple[int, int],
    default: tuple[int, int],
    given: tuple[int, int] | None,
    expected: str,
    tmp_path: Path,
) -> None:
    shutil.copy(MAKEFILE, tmp_path)
    (tmp_path / "requirements").mkdir()
    for name in ("requirements/runtime.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    claim_version(tmp_path / ".venv" / "bin" / "python", found)
    claim_version(tmp_path / "programs" / "python3", default)
    if given is not None:
        claim_version(tmp_path / "programs" / "chosen", given)
    done = subprocess.run(
        ["make", ".venv/runtime", *(["PYTHON=chosen"] if given else [])],
        cwd=tmp_path,
        env={
            **{key: value for key, value in os.environ.items() if key != "PYTHON"},
            "PATH": f"{tmp_path / 'programs'}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    ran = (tmp_path / "modules").read_text()
    creation = f"{'chosen' if given else 'python3'} -m venv --clear .venv"
    assert (creation in ran) == (expected == "made")
    assert ("python -m pip install" in ran) == (done.returncode == 0) == (expected != "refused")
    assert ("Expected Python 3.11, 3.12 or 3.13" in done.stderr) == (expected == "refused")
