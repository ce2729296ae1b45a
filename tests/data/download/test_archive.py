"""Tests of unpacking archives that are damaged or made to do harm."""

import gzip
import io
import os
import stat
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from fcn.data.download.archive import Limits, unpack
from fcn.errors import DataError, OutputError

SMALL = Limits(members=10, file_bytes=1000, total_bytes=3000)
FILES = {"set/a.txt": b"a", "set/deep/b.bin": bytes(range(256)) * 3, "set/empty": b"", "other/c": b"c"}


def member(name: str, content: bytes = b"", **attributes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info, content


def write_tar(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def good_members() -> list[tuple[tarfile.TarInfo, bytes]]:
    return [member(name, content) for name, content in FILES.items()]


def refusal(archive: Path, tmp_path: Path, inside: str = "set", limits: Limits = SMALL) -> str:
    before = set(tmp_path.rglob("*"))
    with pytest.raises(DataError) as caught:
        unpack(archive, inside, tmp_path / "out", limits)
    assert str(archive) in str(caught.value)
    assert set(tmp_path.rglob("*")) == before, "something was left behind"
    return str(caught.value)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_one_folder_of_an_archive_comes_out_as_it_went_in(tmp_path: Path, mode: str, form: int) -> None:
    long_name = "set/" + "/".join(["漢字" * 8] * 4) + "/x"
    with tarfile.open(tmp_path / "a.tar", mode, format=form) as tar:  # type: ignore[call-overload]
        for info, content in [*good_members(), member(long_name, b"long")]:
            tar.addfile(info, io.BytesIO(content))
    unpack(tmp_path / "a.tar", "set", tmp_path / "out", SMALL._replace(members=12))
    found = {
        str(path.relative_to(tmp_path / "out")): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    expected = {name.removeprefix("set/"): content for name, content in FILES.items() if "set" in name}
    assert found == expected | {long_name.removeprefix("set/"): b"long"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "out"]


def test_what_the_archive_says_of_owners_and_modes_does_not_count(tmp_path: Path) -> None:
    members = [
        member("set", type=tarfile.DIRTYPE, mode=0o000),
        member("set/tool", b"#!", mode=0o6777, uid=12345, uname="daemon"),
    ]
    unpack(write_tar(tmp_path / "a.tar", members), "set", tmp_path / "out")
    found = (tmp_path / "out" / "tool").stat()
    assert not stat.S_IMODE(found.st_mode) & 0o7111
    assert found.st_uid == os.getuid()


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize(
    "name",
    ["../out.txt", "set/../../out.txt", "/etc/fcn-test", "//etc/fcn-test", "set/..", "C:out", "set\\..\\x"],
)
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path, mode: str, name: str) -> None:
    archive = write_tar(tmp_path / "a.tar", [*good_members(), member(name, b"evil")], mode)
    assert "is outside of the folder" in refusal(archive, tmp_path)
    assert not Path("/etc/fcn-test").exists()


@pytest.mark.parametrize(
    "attributes",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.SYMTYPE, "linkname": "a.txt"},
        {"type": tarfile.LNKTYPE, "linkname": "set/a.txt"},
        {"type": tarfile.LNKTYPE, "linkname": "../../etc/passwd"},
        {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5},
        {"type": tarfile.BLKTYPE, "devmajor": 8},
        {"type": tarfile.FIFOTYPE},
        {"type": b"Z"},
    ],
)
def test_links_devices_and_unknown_kinds_are_refused(tmp_path: Path, attributes: dict[str, object]) -> None:
    archive = write_tar(tmp_path / "a.tar", [*good_members(), member("set/x", **attributes)])
    assert "'set/x', which is a link, a device or another special file" in refusal(archive, tmp_path)


def test_a_file_through_a_link_is_never_reached(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    link = member("set/way", type=tarfile.SYMTYPE, linkname=str(tmp_path / "outside"))
    refusal(write_tar(tmp_path / "a.tar", [link, member("set/way/x", b"evil")]), tmp_path)
    assert list((tmp_path / "outside").iterdir()) == []


def test_holes_are_refused(tmp_path: Path) -> None:
    info, _ = member("set/hole")
    info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "900", "GNU.sparse.numblocks": "1"}
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    assert "special file" in refusal(tmp_path / "a.tar", tmp_path)


def test_an_archive_may_hold_just_as_much_as_is_allowed(tmp_path: Path) -> None:
    members = [member(f"set/{number}", bytes(1000)) for number in range(3)]
    members += [member(f"set/empty{number}") for number in range(6)]  # and their folder
    unpack(write_tar(tmp_path / "a.tar", members), "set", tmp_path / "out", SMALL)
    assert len(list((tmp_path / "out").iterdir())) == 9


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ([1001], "files of at most 1000 bytes. Received: 'set/0' of 1001"),
        ([1000, 1000, 1000, 1], "at most 10 files and 3000 bytes"),
        ([0] * 11, "at most 10 files"),
    ],
)
def test_more_than_is_allowed_is_refused(tmp_path: Path, sizes: list[int], words: str) -> None:
    members = [member(f"set/{number}", bytes(size)) for number, size in enumerate(sizes)]
    assert words in refusal(write_tar(tmp_path / "a.tgz", members, "w:gz"), tmp_path)


def test_a_bomb_is_refused_by_what_it_says_before_it_is_unpacked(tmp_path: Path) -> None:
    info, _ = member("set/bomb")
    info.size = 1 << 40
    with gzip.open(tmp_path / "a.tgz", "wb") as file:
        file.write(info.tobuf() + bytes(1 << 20))
    assert f"of {1 << 40}" in refusal(tmp_path / "a.tgz", tmp_path, limits=Limits())


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_gigabytes_is_not_read_into_memory(tmp_path: Path, kind: bytes) -> None:
    info, _ = member("set/x", type=kind)
    info.size = 1 << 32
    with gzip.open(tmp_path / "a.tgz", "wb") as file:
        file.write(info.tobuf() + bytes(1 << 20))
    assert "a header of more than" in refusal(tmp_path / "a.tgz", tmp_path)


def test_a_chain_of_headers_without_end_is_refused(tmp_path: Path) -> None:
    info, _ = member("x", type=tarfile.XGLTYPE)
    info.size = 11
    link = info.tobuf() + b"11 a=bcdef\n".ljust(512, b"\0")
    (tmp_path / "a.tar").write_bytes(link * 20_000 + bytes(1024))
    refusal(tmp_path / "a.tar", tmp_path)


def test_a_size_below_zero_does_not_go_round_forever(tmp_path: Path) -> None:
    info, _ = member("set/x")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (-1024).to_bytes(12, "big", signed=True)  # base 256
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "a.tar").write_bytes(bytes(header) + bytes(1024))
    refusal(tmp_path / "a.tar", tmp_path)


@pytest.mark.parametrize("names", [["set/x", "set/x"], ["set/x", "set/x/y"], ["set/x/y", "set/x"]])
def test_a_name_that_comes_twice_is_refused(tmp_path: Path, names: list[str]) -> None:
    archive = write_tar(tmp_path / "a.tar", [member(name, b"1") for name in names])
    assert "twice" in refusal(archive, tmp_path)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_archive_cut_anywhere_is_refused(tmp_path: Path, mode: str) -> None:
    whole = write_tar(tmp_path / "whole", good_members(), mode).read_bytes()
    ends = [0, 1, 2, 100, 511, 512, 513, 1024, 1300, 2048, 3000, 4096, 4100]
    if mode == "w:gz":
        ends = [*range(0, len(whole), 7)]
    for end in ends:
        (tmp_path / "cut").write_bytes(whole[:end])
        refusal(tmp_path / "cut", tmp_path)


def test_damaged_headers_are_no_end(tmp_path: Path) -> None:
    whole = bytearray(write_tar(tmp_path / "whole", good_members()).read_bytes())
    whole[1024 + 3] ^= 1  # the name of the second file; its checksum no longer fits
    (tmp_path / "a.tar").write_bytes(bytes(whole))
    assert "damaged" in refusal(tmp_path / "a.tar", tmp_path)


@pytest.mark.parametrize("content", [b"", b"no archive" * 200, b"\x1f\x8bno gzip", bytes(10240)])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    refusal(tmp_path / "a.tar", tmp_path)


@pytest.mark.parametrize("depth", [33, 1_500])
def test_folders_in_folders_without_end_are_refused(tmp_path: Path, depth: int) -> None:
    for name in ("set/" + "a/" * (depth - 2) + "f", "a/" * depth):
        archive = write_tar(tmp_path / "a.tar", [*good_members(), member(name)])
        assert f"{depth} deep" in refusal(archive, tmp_path)
    deepest = member("set/" + "a/" * 30 + "f", b"x")
    unpack(write_tar(tmp_path / "a.tar", [deepest]), "set", tmp_path / "out")
    assert (tmp_path / "out" / ("a/" * 30) / "f").read_bytes() == b"x"


def test_folders_that_only_a_path_names_count(tmp_path: Path) -> None:
    one = member("set/" + "a/" * 8 + "f")  # 9 folders and a file
    unpack(write_tar(tmp_path / "a.tar", [one]), "set", tmp_path / "fits", SMALL)
    assert (tmp_path / "fits" / ("a/" * 8) / "f").exists()
    archive = write_tar(tmp_path / "a.tar", [one, member("set/g")])
    assert "at most 10 files" in refusal(archive, tmp_path)


def test_an_archive_without_the_folder_is_refused(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a.tar", good_members())
    assert "holds no folder VOC" in refusal(archive, tmp_path, inside="VOC")
    refusal(archive, tmp_path, inside="set/a.txt")


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "none.tar", tmp_path)


def test_what_an_interrupted_call_left_is_replaced(tmp_path: Path) -> None:
    left = tmp_path / ".out.unpacking" / "set"
    left.mkdir(parents=True)
    (left / "stale").write_bytes(b"half")
    unpack(write_tar(tmp_path / "a.tar", good_members()), "set", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "deep", "empty"]
    assert not left.parent.exists()


@pytest.mark.slow
def test_killed_in_the_middle_it_works_again(tmp_path: Path) -> None:
    members = [member(f"set/{number:04}", b"x") for number in range(1_500)]
    archive = write_tar(tmp_path / "a.tar", members)
    command = "import sys; from pathlib import Path; from fcn.data.download.archive import unpack\n"
    command += "unpack(Path(sys.argv[1]), 'set', Path(sys.argv[2]))"
    half = tmp_path / ".out.unpacking" / "set"
    arguments = [sys.executable, "-c", command, str(archive), str(tmp_path / "out")]
    with subprocess.Popen(arguments) as process:
        while process.poll() is None and not (half / "0020").exists():
            time.sleep(0.001)
        process.kill()
    assert half.exists()
    assert not (tmp_path / "out").exists()
    unpack(archive, "set", tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == 1_500
    assert not half.parent.exists()


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a.tar", good_members())
    with pytest.raises(OutputError, match=r"a\.tar"):
        unpack(archive, "set", archive / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_bytes(b"")
    with pytest.raises(OutputError, match="out"):
        unpack(archive, "set", tmp_path / "out")
    assert (tmp_path / "out" / "mine").exists()


@pytest.mark.parametrize("dangling", [True, False])
def test_a_temporary_folder_that_is_a_link_is_not_followed(tmp_path: Path, dangling: bool) -> None:
    victim = tmp_path / "victim"
    if not dangling:
        victim.mkdir()
        (victim / "mine").write_bytes(b"mine")
    (tmp_path / ".out.unpacking").symlink_to(victim)
    unpack(write_tar(tmp_path / "a.tar", good_members()), "set", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "deep", "empty"]
    assert dangling != victim.exists()
    assert dangling or [path.name for path in victim.iterdir()] == ["mine"]
    assert not (tmp_path / ".out.unpacking").is_symlink()
