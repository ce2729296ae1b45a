"""JSON of runs and exports, which may be damaged or made to be so."""

from pathlib import Path

import pytest

from fcn.exports.card.results import scores
from fcn.exports.verification import VERIFICATION, read_verification
from fcn.runs.named_net import IMPORT_FILE, is_imported
from fcn.system.json_files import MAX_JSON_BYTES, parse_json, read_json_file

HOSTILE = [b" " * MAX_JSON_BYTES + b"{}", b"[" * 100_000, b"{", b"", b"\xff", b"[]", b"1"]


def test_json_of_the_largest_size_is_read_and_larger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    path.write_bytes(b" " * 98 + b"{}")
    assert read_json_file(path, 100) == {}
    with pytest.raises(ValueError, match="expected at most 99 bytes"):
        read_json_file(path, 99)
    with pytest.raises(OSError, match="No such file"):
        read_json_file(tmp_path / "missing.json")


@pytest.mark.parametrize("opening", ["[", '{"a": '])
def test_json_nested_too_deeply_is_a_value_error(opening: str) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(100_000 * opening)


@pytest.mark.parametrize("content", HOSTILE, ids=lambda content: repr(content[:3]))
def test_hostile_json_of_a_run_or_an_export_is_one_message(content: bytes, tmp_path: Path) -> None:
    for name in ("scores.json", VERIFICATION, IMPORT_FILE):
        (tmp_path / name).write_bytes(content)
    assert scores(tmp_path).startswith("Not known: `scores.json` cannot be read")
    with pytest.raises(Exception, match=r"cannot be read as a verification .* Export it again"):
        read_verification(tmp_path)
    assert not is_imported(tmp_path)
