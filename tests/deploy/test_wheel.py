"""Builds the wheel, installs it in an empty environment, and uses it there."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
from git_files import git_files
from html_page import Page

HERE = Path(__file__).parents[2]
SMALL = (
    *("data.root=data", "augmentation.crop_size=[32,32]", "model.width=0.03125", "model.fc_channels=8"),
    "train.steps=2",
)


def source_files() -> list[str]:
    """Returns the files of the checkout, relative to it: all that git does not ignore."""
    return git_files("--cached", "--others", "--exclude-standard")


class Installed(NamedTuple):
    wheel: Path
    binaries: Path

    def run(self, *command: str, cwd: Path) -> str:
        """Runs a program of the environment, which sees nothing of the checkout."""
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PYTHON", "FCN_", "TF_CPP", "KERAS_BACKEND"))
        }
        done = subprocess.run(
            [self.binaries / command[0], *command[1:]],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # What a build leaves in its source, and what an earlier one left there, is kept out of the checkout.
    for name in source_files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(HERE / name, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source]
    subprocess.run([*pip, *build], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    install = ["--python", str(python), "install", "--no-deps", "--no-index", wheel]
    subprocess.run([*pip, *install], check=True, capture_output=True)
    # The dependencies of the environment of the tests, but not what is installed there for editing: Python
    # reads no .pth file of a folder that it knows from one.
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    said = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()
    (Path(said) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installed(wheel, environment / "bin")


@pytest.mark.slow
def test_the_wheel_holds_all_that_is_no_program_too(installed: Installed) -> None:
    assert installed.wheel.name.startswith("keras_fcn-")
    with zipfile.ZipFile(installed.wheel) as archive:
        held = set(archive.namelist())
    expected = {name for name in source_files() if name.startswith("fcn/")}
    recipes = {name for name in source_files() if name.startswith("configs/")}
    expected |= {name.replace("configs/", "fcn/recipes/", 1) for name in recipes}
    others = {"fcn/py.typed", "fcn/recipes/quickstart.yaml", "fcn/server/page/static/page.css"}
    assert {"fcn/cli/main.py", *others} <= expected
    assert {name for name in held if name.startswith("fcn/")} == expected


@pytest.mark.slow
def test_pages_are_written_where_only_the_wheel_is(installed: Installed, tmp_path: Path) -> None:
    where = installed.run("python", "-c", "import fcn; print(fcn.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.binaries.parent)
    assert installed.run("fcn", "--version", cwd=tmp_path).startswith("fcn ")
    installed.run("fcn", "data", "generate", "data", "--train", "4", "--val", "2", cwd=tmp_path)
    sets = [part for value in SMALL for part in ("--set", value)]
    printed = installed.run("fcn", "train", "quickstart", "--run", "run", *sets, cwd=tmp_path)
    # There is no train.py, no configs/, and the shell's `python` may be another.
    assert "Next: fcn infer run IMAGES" in printed
    assert "fcn export run EXPORT" in printed
    shown = installed.run("fcn", "train", "--help", cwd=tmp_path)
    assert shown.endswith("example:\n  fcn train voc_fcn8s --run runs/voc --set train.steps=1000\n")
    installed.run("fcn", "inspect", "run", "--size", "32x32", "--html", "net.html", cwd=tmp_path)
    for path in ("run/report.html", "net.html"):
        text = (tmp_path / path).read_text(encoding="utf-8")
        page = Page(text)
        assert page.open == []
        assert page.all("img")
        assert re.search(r"<style>[^<]*font:", text)
