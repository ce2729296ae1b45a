"""Tests of writing a folder in one piece."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fcn.errors import OutputError
from fcn.system.atomic_folder import atomic_folder
from fcn.system.files import partial_files, remove

ROOT = Path(__file__).parents[2]
KILLED = """
import os, signal, sys
from pathlib import Path
from fcn.system.atomic_folder import atomic_folder

with atomic_folder(Path(sys.argv[1])) as temporary:
    temporary.mkdir()
    (temporary / "a.txt").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""

FILLED = """
import os, signal, sys
from pathlib import Path
from fcn.system.atomic_folder import atomic_folder

renamed, rename = [], Path.rename

def rename_some(self, target):
    rename(self, target)
    renamed.append(target)
    if len(renamed) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

Path.rename = rename_some
Path.iterdir = lambda self, iterdir=Path.iterdir: iter(sorted(iterdir(self), reverse=True))
with atomic_folder(Path(sys.argv[1])) as temporary:
    temporary.mkdir()
    for name in "abc":
        (temporary / f"{name}.txt").write_text(name)
"""
REMOVED = """
import os, shutil, signal, sys
from pathlib import Path
from fcn.system.atomic_folder import atomic_folder

shutil.rmtree = lambda *arguments, **options: os.kill(os.getpid(), signal.SIGKILL)
with atomic_folder(Path(sys.argv[1])) as temporary:
    temporary.mkdir()
    raise SystemExit(143)
"""


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write(path: Path) -> None:
    with atomic_folder(path) as temporary:
        (temporary / "inner").mkdir(parents=True)
        (temporary / "inner" / "a.txt").write_text("a")
        (temporary / ".hidden").write_text("b")
        assert temporary in partial_files(temporary.parent)


@pytest.mark.parametrize("there", [False, True])
def test_the_folder_appears_whole(there: bool, tmp_path: Path) -> None:
    path = tmp_path / "above" / "new"
    if there:
        path.mkdir(parents=True)
    inode = path.stat().st_ino if there else None
    write(path)
    assert files(tmp_path) == {"above/new/inner/a.txt": "a", "above/new/.hidden": "b"}
    assert os.listdir(tmp_path / "above") == ["new"]
    assert inode in (None, path.stat().st_ino)  # an empty folder is filled: it may be a mount point


def test_the_working_folder_may_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path())
    assert files(tmp_path) == {"inner/a.txt": "a", ".hidden": "b"}


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt(), SystemExit(1)])
def test_a_failure_leaves_nothing(error: BaseException, there: bool, tmp_path: Path) -> None:
    path = tmp_path / "new"
    if there:
        path.mkdir()

    def fail() -> None:
        with atomic_folder(path) as temporary:
            (temporary / "inner").mkdir(parents=True)
            (temporary / "inner" / "a.txt").write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert list(tmp_path.rglob("*")) == ([path] if there else [])


@pytest.mark.parametrize("taken", ["new", "new/mine.txt"])
def test_what_is_in_use_is_left_alone(taken: str, tmp_path: Path) -> None:
    mine = tmp_path / taken
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(OutputError, match=r"new: exists already.*Expected a new or empty folder"):
        write(tmp_path / "new")
    assert files(tmp_path) == {taken: "mine"}


def test_what_comes_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "new"

    def be_late() -> None:
        with atomic_folder(path) as temporary:
            temporary.mkdir()
            path.mkdir()
            (path / "mine.txt").write_text("mine")

    with pytest.raises(OutputError, match="new: cannot be written"):
        be_late()
    assert files(tmp_path) == {"new/mine.txt": "mine"}
    assert os.listdir(tmp_path) == ["new"]


def test_a_file_in_the_place_of_a_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="file/new: cannot be written"):
        write(tmp_path / "file" / "new")
    assert files(tmp_path) == {"file": "mine"}


def killed(folder: Path, program: str = KILLED, *arguments: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program, folder, *arguments], env=environment, check=False)
    assert done.returncode < 0


@pytest.mark.parametrize("there", [False, True])
def test_what_a_killed_process_leaves_is_removed_by_the_next(there: bool, tmp_path: Path) -> None:
    path = tmp_path / "new"
    if there:
        path.mkdir()
    killed(path)
    (left,) = (entry for entry in partial_files(path if there else tmp_path) if entry.is_dir())
    assert files(left) == {"a.txt": "half"}
    write(path)
    assert files(tmp_path) == {"new/inner/a.txt": "a", "new/.hidden": "b"}
    assert os.listdir(tmp_path) == ["new"]


def test_an_empty_folder_that_was_half_filled_is_filled_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "new"
    path.mkdir()
    killed(path, FILLED, "2")
    assert len([*path.iterdir()]) == 4  # with the temporary folder and its lock
    (path / "b.txt").rename(tmp_path / "b.txt")
    (path / "b.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        write(path)
    assert files(tmp_path) == {"new/b.txt": "mine", "b.txt": "b"}
    (path / "b.txt").unlink()
    write(path)
    assert files(path) == {"inner/a.txt": "a", ".hidden": "b"}


def test_an_empty_folder_that_was_filled_stays(tmp_path: Path) -> None:
    path = tmp_path / "new"
    path.mkdir()
    killed(path, FILLED, "3")
    with pytest.raises(OutputError, match="exists already"):
        write(path)
    assert files(path) == {"a.txt": "a", "b.txt": "b", "c.txt": "c"}


def test_names_in_the_record_of_a_half_filled_folder_lead_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "new"
    (left := path / ".0123456789abcdef.tmp").mkdir(parents=True)
    (path / ".0123456789abcdef.tmp.lock").touch()
    (left / "x").write_text("left")
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    for record in ({"../mine.txt": mine.stat().st_ino, "x": 0}, {str(mine): 0, "x": 0}, ["x"], {"x": []}):
        (left / ".moving.json").write_text(json.dumps(record))
        write(path)
        assert mine.read_text() == "mine"
        shutil.rmtree(path)
        left.mkdir(parents=True)
        (path / ".0123456789abcdef.tmp.lock").touch()


def test_a_process_killed_while_it_removes_leaves_its_lock(tmp_path: Path) -> None:
    killed(tmp_path / "new", REMOVED)
    assert len([*tmp_path.iterdir()]) == 2
    write(tmp_path / "new")
    assert os.listdir(tmp_path) == ["new"]


def test_what_another_process_still_writes_is_left_alone(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "one") as temporary:
        temporary.mkdir()
        (temporary / "a.txt").write_text("half")
        write(tmp_path / "two")
        assert files(temporary) == {"a.txt": "half"}
    assert sorted(os.listdir(tmp_path)) == ["one", "two"]


def test_only_what_this_package_left_is_removed(tmp_path: Path) -> None:
    for name in (".mine.tmp", ".0123456789abcdef.tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / ".mine.tmp.lock").touch()
    write(tmp_path / "new")
    # Without its lock, who owns a folder is not known.
    assert sorted(os.listdir(tmp_path)) == [".0123456789abcdef.tmp", ".mine.tmp", ".mine.tmp.lock", "new"]


def test_a_link_to_a_folder_is_removed_and_the_folder_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    remove(tmp_path / "link")
    remove(tmp_path / "nothing")
    assert os.listdir(tmp_path) == ["mine"]
    assert files(tmp_path) == {"mine/a.txt": "mine"}
