"""Tests of the message about models that could run code, and of bounded reading."""

from pathlib import Path

import pytest

from fcn.errors import FcnError, RunError, TrustError
from fcn.system.trust import read_bounded, untrusted


def test_a_name_from_a_file_is_shown_in_one_short_line() -> None:
    error = untrusted(Path("net.keras"), "the layer", "a\n\x1b[2J" * 1000)
    assert isinstance(error, TrustError)
    assert isinstance(error, FcnError)
    assert error.exit_code == 2
    assert str(error).isprintable()
    assert "net.keras: holds the layer 'a\\n" in str(error)
    assert "--trust" in str(error)
    assert len(str(error)) < 500


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1 << 20))
    assert len(read_bounded(tmp_path / "file", 1 << 20)) == 1 << 20
    (tmp_path / "file").write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(RunError, match="is larger than the 1 MB"):
        read_bounded(tmp_path / "file", 1 << 20)
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "none", 1)
