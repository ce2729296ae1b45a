"""Links, and what takes their place."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fcn.system.links import link_folder, link_or_copy


def test_a_link_to_a_file_becomes_a_file(tmp_path: Path) -> None:
    source, link = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"a")
    link.symlink_to("a")
    (tmp_path / "other").mkdir()
    assert link_or_copy(link, tmp_path / "other" / "c")
    assert not (tmp_path / "other" / "c").is_symlink()
    assert os.path.samefile(source, tmp_path / "other" / "c")


def test_nothing_is_linked_or_copied_over_a_file(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"a")
    target.write_bytes(b"b")
    with pytest.raises(FileExistsError):
        link_or_copy(source, target)
    assert target.read_bytes() == b"b"


def test_a_file_is_linked_on_its_disk_and_copied_to_another(tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_bytes(b"a")
    assert link_or_copy(source, tmp_path / "b")
    assert os.path.samefile(source, tmp_path / "b")
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second disk")
    with TemporaryDirectory(dir=memory) as other:
        copy = Path(other, "c")
        assert not link_or_copy(source, copy)
        assert copy.read_bytes() == b"a"
        assert not os.path.samefile(source, copy)


def test_a_link_to_a_folder_shows_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    link_folder(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a" / "c").write_bytes(b"c")
    assert (tmp_path / "b" / "c").read_bytes() == b"c"
    with pytest.raises(FileExistsError):
        link_folder(tmp_path / "a", tmp_path / "b")
