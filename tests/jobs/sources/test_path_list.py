"""Tests of lists as other systems write them."""

import codecs
import io
import os
from pathlib import Path

import pytest
from job_program import run_job
from photographs import files_below, write_image

from fcn.errors import DataError
from fcn.jobs.sources.path_list import PathList

NAMES = ["a.jpg", "größe 1.jpg", "漢字.png"]
TEXT = "".join(f"{name}\r\n" for name in NAMES)


def entries(content: bytes, separator: bytes = b"\n") -> list[str]:
    return [*PathList(io.BytesIO(content), separator).entries()]


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        f"\ufeff\r\n{TEXT}\r\n\n".encode(),
        TEXT.replace("\r", "").rstrip().encode(),
    ],
)
def test_lines_are_read_as_windows_writes_them(content: bytes) -> None:
    assert entries(content) == NAMES


def test_after_nuls_names_are_taken_as_they_are() -> None:
    odd = ["\ufeffa.jpg\r", "b\r\n.jpg", "\r"]
    assert entries("\0".join(odd).encode(), b"\0") == odd


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entries_are_whole_wherever_blocks_end(encoding: str) -> None:
    names = [f"{'ü' * 1000}{number}" for number in range(500)]
    assert entries("\r\n".join(names).encode(encoding)) == names


def test_no_more_of_a_file_is_kept_than_an_entry_can_have() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b"\xff" * size

    stream = Endless()
    with pytest.raises(DataError, match=r"more than 65,536 bytes, which begins with .*--null"):
        [*PathList(stream).entries()]  # type: ignore[arg-type]
    assert stream.given <= 4 << 16


def test_damaged_utf_16_is_named() -> None:
    with pytest.raises(DataError, match=r"begins as UTF-16 .*UTF-8"):
        entries(codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le")[:-1])


def test_names_with_control_characters_are_labeled_and_others_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["tab\t.jpg", "escape\x1b[31m.jpg", "turned\u202e.jpg", os.fsdecode(b"\xff.jpg"), " blanks .jpg"]
    for name in names:
        write_image(tmp_path / name)
    forgotten = "x.jpg\0y.jpg\0"  # of a list that needs --null
    content = "\r\n".join([*names, forgotten, "\x1b.jpg", "http://[x/a.jpg"]).encode(errors="surrogateescape")
    result = run_job(tmp_path / "out", PathList(io.BytesIO(content)), kinds=("palette",))
    assert files_below(tmp_path / "out") == {f"{name.removesuffix('.jpg')}.png" for name in names}
    reasons = {str(path): reason for path, reason in result.failed}
    assert "add --null" in reasons.pop(forgotten)
    assert "No such file" in reasons.pop("\x1b.jpg")
    assert "Invalid IPv6 URL" in reasons.pop("http://[x/a.jpg")
    assert reasons == {}
