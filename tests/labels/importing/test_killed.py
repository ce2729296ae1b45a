"""`fcn data import` that is killed, and run again: ROOT is whole or absent, and nothing is left over."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from deaths import running_forks
from importing_sources import write_ids, write_image
from killed_import_program import POINTS

Run = Callable[..., int]
IMAGES = 12
STOPPED = 128 + signal.SIGTERM
COMMON = [point for point in POINTS if not {"half", "archive"} & {*point.split()}]
SOME = ["when images are written", "before the folder gets its name"]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs the command; all are forks of one program."""
    with running_forks("killed_import_program.py") as run:
        yield run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    rng = np.random.default_rng(0)
    for number in range(IMAGES):
        write_image(folder / "images" / f"{number}.jpg", (24, 32))
        write_ids(folder / "masks" / f"{number}.png", rng.integers(0, 3, (24, 32), np.uint8))
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def whole(run: Run, source: Path, tmp_path: Path) -> dict[str, bytes]:
    assert run("", "SIGTERM", str(source), "--output", str(tmp_path / "whole")) == 0
    return content(tmp_path / "whole")


def assert_whole_or_absent(place: Path, root: Path, expected: dict[str, bytes], *, stopped: bool) -> None:
    """Checks a place in which only `root` was to be written; of a process that was stopped, all of it."""
    assert not root.exists() or not any(root.iterdir()) or content(root) == expected
    others = {path.name for path in place.iterdir()} - {root.name}
    assert not others or not stopped
    assert all(name.startswith(".") and ".tmp" in name for name in others)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "number"),
    [(point, "SIGKILL") for point in COMMON]
    + [(point, "SIGTERM") for point in SOME]
    + [pytest.param(point, "SIGTERM", marks=pytest.mark.exhaustive) for point in COMMON if point not in SOME],
)
def test_killed_at_a_named_point(point: str, number: str, run: Run, source: Path, tmp_path: Path) -> None:
    expected = whole(run, source, tmp_path)
    place = tmp_path / "place"
    place.mkdir()
    status = run(point, number, str(source), "--output", str(place / "root"))
    assert status == (-signal.SIGKILL if number == "SIGKILL" else STOPPED)
    assert_whole_or_absent(place, place / "root", expected, stopped=number == "SIGTERM")
    finish(run, source, place, expected)


def finish(run: Run, source: Path, place: Path, expected: dict[str, bytes]) -> None:
    """Imports again, and checks that all of it is there and nothing else."""
    if (place / "root" / "import.json").exists():  # a whole one is in the way, as anything else would be
        assert run("", "SIGTERM", str(source), "--output", str(place / "root")) == 2
        assert run("", "SIGTERM", str(source), "--output", str(place / "other")) == 0
        assert content(place / "other") == expected
    else:
        assert run("", "SIGTERM", str(source), "--output", str(place / "root")) == 0
    assert content(place / "root") == expected
    assert {path.name for path in place.iterdir()} <= {"root", "other"}


@pytest.mark.slow
@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize(
    "point",
    ["when a part of an archive is unpacked", "when images are written", "when the folder has its name"],
)
def test_killed_with_an_archive(point: str, number: str, run: Run, source: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "source"), "zip", source))
    expected = whole(run, archive, tmp_path)
    place = tmp_path / "place"
    place.mkdir()
    status = run(point, number, str(archive), "--output", str(place / "root"))
    assert status == (-signal.SIGKILL if number == "SIGKILL" else STOPPED)
    assert_whole_or_absent(place, place / "root", expected, stopped=number == "SIGTERM")
    finish(run, archive, place, expected)


@pytest.mark.slow
@pytest.mark.parametrize("point", ["when images are written", "when half of an empty folder is filled"])
def test_killed_over_an_empty_folder(point: str, run: Run, source: Path, tmp_path: Path) -> None:
    expected = whole(run, source, tmp_path)
    root = tmp_path / "place" / "root"
    root.mkdir(parents=True)
    assert run(point, "SIGKILL", str(source), "--output", str(root)) == -signal.SIGKILL
    assert any(root.iterdir())
    finish_filled(run, source, root, expected)


def finish_filled(run: Run, source: Path, root: Path, expected: dict[str, bytes]) -> None:
    assert run("", "SIGTERM", str(source), "--output", str(root)) == 0
    assert content(root) == expected
    assert os.listdir(root.parent) == ["root"]


@pytest.mark.parametrize(
    "kills", [pytest.param(2, marks=pytest.mark.slow), pytest.param(30, marks=pytest.mark.exhaustive)]
)
@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM"])
def test_killed_at_random_moments(kills: int, number: str, run: Run, source: Path, tmp_path: Path) -> None:
    chance = random.Random(kills)
    expected = whole(run, source, tmp_path)
    start = time.monotonic()
    assert run("", number, str(source), "--output", str(tmp_path / "timed")) == 0
    longest = time.monotonic() - start
    killed = rounds = 0
    while killed < kills:
        place = tmp_path / str(rounds)
        place.mkdir()
        status = run(chance.uniform(0.001, longest), number, str(source), "--output", str(place / "root"))
        # SIGTERM may come before the command has begun to catch it.
        assert status in (0, -signal.SIGKILL, -signal.SIGTERM, STOPPED)
        assert_whole_or_absent(place, place / "root", expected, stopped=status == STOPPED)
        finish(run, source, place, expected)
        killed += status != 0
        rounds += 1
        assert rounds < 20 * kills
