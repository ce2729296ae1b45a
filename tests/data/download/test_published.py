"""Tests of fetching a data set from a server or a file, up to its folder."""

import hashlib
import io
import resource
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from file_server import dropping, serving, whole, without_ranges

from fcn.data.download.catalog import PublishedDataset
from fcn.data.download.published import fetch_dataset
from fcn.errors import DataError, OutputError
from fcn.system.download.file import Checksum, PublishedFile
from fcn.system.download.retry import RetryPolicy

QUICK = RetryPolicy(failures=3, connections=20, pause_seconds=0, timeout_seconds=10)
BIG = bytes(range(256)) * 500


def archive_bytes(*links: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in {"Outer/Set/a.txt": b"a", "Outer/Set/big": BIG}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for link in links:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info)
    return buffer.getvalue()


def dataset(data: bytes, *urls: str) -> PublishedDataset:
    checksum = Checksum("md5", hashlib.md5(data).hexdigest(), "this test")
    file = PublishedFile("set.tgz", urls, checksum, len(data))
    return PublishedDataset("a set", file, "Outer/Set", "devkit/Set")


def assert_complete(output: Path) -> None:
    found = {path.name: path.read_bytes() for path in (output / "devkit" / "Set").iterdir()}
    assert found == {"a.txt": b"a", "big": BIG}


def test_a_data_set_comes_over_a_broken_line_into_its_folder(tmp_path: Path) -> None:
    data = archive_bytes()
    with serving(dropping(data, len(data) // 3)) as server:
        wanted = dataset(data, server.url)
        assert fetch_dataset(wanted, tmp_path / "data", retry=QUICK) == tmp_path / "data" / "set.tgz"
        asked = len(server.requests)
        assert_complete(tmp_path / "data")
        assert fetch_dataset(wanted, tmp_path / "data", retry=QUICK) is None
        assert len(server.requests) == asked == 3


def test_a_file_of_the_users_own_needs_no_server(tmp_path: Path) -> None:
    data = archive_bytes()
    (tmp_path / "mine").write_bytes(data)
    assert fetch_dataset(dataset(data), tmp_path / "data", tmp_path / "mine") == tmp_path / "mine"
    assert_complete(tmp_path / "data")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["devkit"]


def test_another_file_of_the_users_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(archive_bytes("Outer/Set/x"))
    with pytest.raises(DataError, match=r"is not set\.tgz as it was published"):
        fetch_dataset(dataset(archive_bytes()), tmp_path / "data", tmp_path / "mine")
    assert not (tmp_path / "data").exists()


def test_a_corrupt_archive_is_not_unpacked_and_a_hostile_one_leaves_nothing(tmp_path: Path) -> None:
    data, hostile = archive_bytes(), archive_bytes("Outer/Set/x")
    with serving(without_ranges(data[:-1] + b"?")) as server, pytest.raises(DataError, match="MD5"):
        fetch_dataset(dataset(data, server.url), tmp_path, retry=QUICK)
    assert list(tmp_path.iterdir()) == []
    with serving(without_ranges(hostile)) as server, pytest.raises(DataError, match="is a link"):
        fetch_dataset(dataset(hostile, server.url), tmp_path, retry=QUICK)
    assert [path.name for path in (tmp_path / "devkit").iterdir()] == []


@contextmanager
def room_for(count: int) -> Iterator[None]:
    """Lets no file grow beyond a number of bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_on_a_full_disk_it_stops_and_goes_on_once_there_is_room(tmp_path: Path) -> None:
    data = archive_bytes()
    assert len(data) < len(BIG)
    with serving(whole(data)) as server:
        wanted = dataset(data, server.url)
        with room_for(len(data) // 2), pytest.raises(OutputError, match=r"set\.tgz: cannot be written"):
            fetch_dataset(wanted, tmp_path, retry=QUICK)
        assert [path.name for path in tmp_path.iterdir()] == ["set.tgz.part"]
        with room_for(len(BIG) // 2), pytest.raises(OutputError, match=r"Set: cannot be written .* unpacked"):
            fetch_dataset(wanted, tmp_path, retry=QUICK)
        assert {path.name for path in tmp_path.iterdir()} == {"set.tgz", "devkit"}
        assert list((tmp_path / "devkit").iterdir()) == []
        fetch_dataset(wanted, tmp_path, retry=QUICK)
        assert_complete(tmp_path)
        assert server.requests == [0, len(data) // 2]
