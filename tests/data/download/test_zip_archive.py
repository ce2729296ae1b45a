"""Tests of unpacking zip archives that are damaged or made to do harm."""

import io
import stat
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fcn.data.download.archive import Limits
from fcn.data.download.zip_archive import extract_zip
from fcn.errors import DataError

SMALL = Limits(members=10, file_bytes=1000, total_bytes=3000)
FILES = {"set/a.txt": b"a", "set/deep/b.bin": bytes(range(256)) * 3, "set/empty": b"", "漢字/c": b"c"}


def zipped(files: dict[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            # An entry of its own has the same date on every day.
            entry = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            archive.writestr(entry, content, method)
    return buffer.getvalue()


def unpacked(data: bytes, tmp_path: Path, limits: Limits = SMALL) -> dict[str, bytes]:
    (tmp_path / "a.zip").write_bytes(data)
    folder = tmp_path / "inside" / "out"
    folder.mkdir(parents=True, exist_ok=True)
    extract_zip(tmp_path / "a.zip", folder, limits)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(data: bytes, tmp_path: Path, limits: Limits = SMALL) -> str:
    with pytest.raises(DataError) as caught:
        unpacked(data, tmp_path, limits)
    assert str(tmp_path / "a.zip") in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "inside"]
    assert [path.name for path in (tmp_path / "inside").iterdir()] == ["out"]
    return str(caught.value)


def entry(name: str, mode: int = 0, **attributes: object) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_come_out_as_they_went_in(method: int, tmp_path: Path) -> None:
    assert unpacked(zipped({"set/": b"", **FILES}, method), tmp_path) == FILES


def test_modes_do_not_count(tmp_path: Path) -> None:
    unpacked(zipped({entry("tool", stat.S_IFREG | 0o6777): b"#!"}), tmp_path)
    assert not stat.S_IMODE((tmp_path / "inside" / "out" / "tool").stat().st_mode) & 0o7111


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "c:/a", "a\\b", "..", "a\x01/../b"])
def test_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    assert "outside of the folder" in refusal(zipped({"good": b"a", name: b"b"}), tmp_path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_special_files_are_refused(kind: int, tmp_path: Path) -> None:
    data = zipped({entry("link", kind | 0o777): b"/etc/passwd"})
    assert "a link, a device or another special file" in refusal(data, tmp_path)


@pytest.mark.parametrize(
    ("files", "limits", "message"),
    [
        ({str(number): b"" for number in range(11)}, SMALL, "expected at most 10 files"),
        ({"/".join("abcdefghijk"): b""}, SMALL, "expected at most 10 files"),
        ({"a": bytes(1001)}, SMALL, "expected files of at most 1000 bytes"),
        ({str(number): bytes(1000) for number in range(4)}, SMALL, "3000 bytes unpacked"),
        ({"/".join("a" * 40): b""}, SMALL._replace(members=99), "folders at most 32 deep"),
        ({"a": b"1", "a/b": b"2"}, SMALL, "twice"),
    ],
)
def test_archives_that_are_too_large_or_odd_are_refused(
    files: dict[str, bytes], limits: Limits, message: str, tmp_path: Path
) -> None:
    assert message in refusal(zipped(files), tmp_path, limits)


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    data = zipped({"ab": b"1", "cd": b"2"}).replace(b"cd", b"ab")
    assert "twice" in refusal(data, tmp_path)


def test_what_needs_another_program_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped({"a": b"secret"}, zipfile.ZIP_STORED))
    directory = data.index(b"PK\1\2")
    encrypted, odd = bytearray(data), bytearray(data)
    encrypted[directory + 8] |= 1
    odd[directory + 10] = 9
    assert "is encrypted. Unpack it" in refusal(bytes(encrypted), tmp_path)
    assert "compressed in an unknown way (method 9)" in refusal(bytes(odd), tmp_path)


def test_a_file_that_is_longer_than_it_says_is_cut_and_refused(tmp_path: Path) -> None:
    data = bytearray(zipped({"a": bytes(900)}))
    directory = data.index(b"PK\1\2")
    struct.pack_into("<L", data, directory + 24, 10)
    assert "is damaged or truncated" in refusal(bytes(data), tmp_path)
    assert (tmp_path / "inside" / "out" / "a").stat().st_size <= 10


def test_a_directory_that_is_huge_is_not_read(tmp_path: Path) -> None:
    data = bytearray(zipped({"a": b"a"}))
    end = data.index(b"PK\5\6")
    struct.pack_into("<L", data, end + 12, 1 << 25)
    data[end:end] = bytes(1 << 25)
    assert "the directory is too large" in refusal(bytes(data), tmp_path)


@pytest.mark.parametrize("count", [100, pytest.param(10_000, marks=pytest.mark.exhaustive)])
def test_a_damaged_archive_is_unpacked_or_refused(count: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(count)
    outcomes = {"unpacked": 0, "refused": 0}
    whole = [zipped({"set/": b"", **FILES}, method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]
    for number in range(count):
        data = bytearray(whole[number % 2])
        for _ in range(rng.integers(0, 4)):  # some are whole
            place = int(rng.integers(len(data)))
            match rng.integers(5):
                case 0:
                    del data[place:]
                case 1:
                    del data[place : place + int(rng.integers(1, 9))]
                case _:
                    data[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, ord("/"), ord("."), rng.integers(256)])
            data = data or bytearray(b"P")
        place = tmp_path / str(number)
        place.mkdir()
        try:
            unpacked(bytes(data), place)
            outcomes["unpacked"] += 1
        except DataError as error:
            outcomes["refused"] += 1
            assert str(place / "a.zip") in str(error)  # noqa: PT017
        assert sorted(path.name for path in place.iterdir()) == ["a.zip", "inside"]
        assert [path.name for path in (place / "inside").iterdir()] == ["out"]
    assert min(outcomes.values()) > count // 20
