"""Tests that need git's list of files are skipped where there is none."""

from pathlib import Path

import pytest
from git_files import ROOT, git_files


def test_files_are_listed_or_the_test_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pytest.skip.Exception, match="not a git repository"):
        git_files(root=tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="needs git"):
        git_files(root=ROOT)
