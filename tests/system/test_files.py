"""Tests of writing in one piece."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fcn.errors import OutputError
from fcn.system.files import (
    atomic_path,
    remove,
    write_bytes,
    write_json,
    write_text,
)
from fcn.system.results import check_writable, write_result

TESTS = Path(__file__).parents[1]


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_folders_are_made_and_content_arrives(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.txt"
    write_text(path, "Grüße\n")
    assert path.read_bytes() == "Grüße\n".encode()
    write_bytes(path, b"second")
    assert path.read_bytes() == b"second"
    assert names(path.parent) == ["c.txt"]


def test_the_temporary_file_lies_beside_it_and_has_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    with atomic_path(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".keras"
        assert temporary.name.startswith(".")
        temporary.write_text("new")
        assert not path.exists()
    assert names(tmp_path) == ["net.keras"]


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt(), SystemExit(1)])
def test_a_failure_keeps_the_old_content_and_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_a_full_disk_is_named_with_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def fill_up(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        write_bytes(path, b"new content")
    assert str(path) in str(caught.value)
    assert "Free space" in str(caught.value)
    assert caught.value.exit_code == 2
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file.bin"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_device_without_space_is_an_output_error(tmp_path: Path) -> None:
    def fill_up() -> None:
        with atomic_path(tmp_path / "file") as temporary:
            os.symlink("/dev/full", temporary)
            with temporary.open("wb") as file:
                file.write(b"x")

    with pytest.raises(OutputError, match="No space left"):
        fill_up()
    assert names(tmp_path) == []


@pytest.mark.parametrize("inside", ["new.txt", "folder/new.txt"])
def test_a_file_in_the_place_of_a_folder_is_an_output_error(tmp_path: Path, inside: str) -> None:
    (tmp_path / "file").write_text("kept")
    path = tmp_path / "file" / inside
    with pytest.raises(OutputError) as caught:
        write_text(path, "x")
    assert str(path) in str(caught.value)
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_in_the_place_of_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError, match="taken"):
        write_text(tmp_path / "taken", "x")
    assert names(tmp_path) == ["taken"]


@pytest.mark.parametrize(
    "name",
    ["a" * 250 + ".json", "a" * 255, "a." + "b" * 250, "漢" * 85, "é" * 125 + ".json", "漢" * 83 + ".keras"],
    ids=["ascii_json", "ascii", "long_suffix", "three_bytes", "two_bytes_json", "three_bytes_keras"],
)
def test_a_name_as_long_as_the_file_system_allows(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "x")
    assert names(tmp_path) == [name]


def test_a_name_that_is_too_long_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="too long"):
        write_text(tmp_path / ("a" * 300), "x")
    assert names(tmp_path) == []


def test_writers_at_the_same_time_all_succeed(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    contents = [bytes([number]) * 50_000 for number in range(8)]
    failures: list[BaseException] = []
    start = threading.Barrier(len(contents))

    def write(data: bytes) -> None:
        try:
            start.wait()
            for _ in range(20):
                write_bytes(path, data)
                if path.read_bytes() not in contents:
                    raise ValueError("half of a file was seen")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(data,)) for data in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert path.read_bytes() in contents
    assert names(tmp_path) == ["file.bin"]


def test_json_is_indented_and_refuses_nan(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"a": [1, None]})
    assert json.loads(path.read_text()) == {"a": [1, None]}
    assert path.read_text().endswith("}\n")
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, float("nan"))
    assert json.loads(path.read_text()) == {"a": [1, None]}


@pytest.mark.parametrize("dangling", [True, False])
def test_a_temporary_name_that_is_a_link_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dangling: bool
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 2 * count)
    victim = tmp_path / "victim"
    if not dangling:
        victim.write_bytes(b"mine")
    (tmp_path / f".{'0' * 16}.tmp.txt").symlink_to(victim)
    write_bytes(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"new"
    assert not (tmp_path / "a.txt").is_symlink()
    assert not victim.exists() if dangling else victim.read_bytes() == b"mine"


def test_a_link_is_replaced_and_deleted_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "file").write_bytes(b"mine")
    for target in ("victim", "victim/file"):
        link = tmp_path / "link"
        link.symlink_to(tmp_path / target)
        remove(link)
        assert not link.is_symlink()
        link.symlink_to(tmp_path / target)
        write_bytes(link, b"new")
        assert link.read_bytes() == b"new"
        link.unlink()
    assert (tmp_path / "victim" / "file").read_bytes() == b"mine"


KILLED = """
import sys
from pathlib import Path
from deaths import die_after, die_before
import os
from fcn.system.results import check_writable, write_result

how, owner, name = sys.argv[2:]
{"after": die_after, "before": die_before}[how]({"os": os, "Path": Path}[owner], name, 1)
check_writable(Path(sys.argv[1]))
write_result(Path(sys.argv[1]), "new")
"""


@pytest.mark.parametrize(
    ("how", "owner", "name"),
    [
        ("after", "Path", "touch"),
        ("before", "Path", "write_bytes"),
        ("after", "Path", "write_bytes"),
        ("before", "os", "replace"),
        ("after", "os", "replace"),
    ],
)
def test_what_a_killed_process_leaves_beside_a_result_is_removed(
    tmp_path: Path, how: str, owner: str, name: str
) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")
    with_tests = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent, TESTS)))}
    done = subprocess.run([sys.executable, "-c", KILLED, path, how, owner, name], env=with_tests, check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == ("new" if (how, name) == ("after", "replace") else "old")
    assert len(names(tmp_path)) > 1
    check_writable(path)
    assert names(tmp_path) == ["result.json"]
    write_result(path, "newer")
    assert path.read_text() == "newer"
    assert names(tmp_path) == ["result.json"]


def test_what_another_process_still_writes_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def check_first(temporary: Path, path: Path) -> None:
        (tmp_path / ".mine.tmp.json").touch()
        (tmp_path / ".mine.tmp.json.lock").touch()
        check_writable(tmp_path / "other.json")
        replace(temporary, path)

    monkeypatch.setattr(os, "replace", check_first)
    write_result(tmp_path / "result.json", "new")
    assert names(tmp_path) == [".mine.tmp.json", ".mine.tmp.json.lock", "result.json"]
