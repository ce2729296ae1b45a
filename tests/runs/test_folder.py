"""Tests of run folders."""

from pathlib import Path

import pytest

from fcn.config.file import changed_keys, load_config
from fcn.runs.folder import RunFolder


def test_a_run_of_before_reads_as_one_of_today(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = RunFolder(tmp_path)
    run.config.write_text("data: {root: x, input_scale: 0.5}\nmodel: {net: fcn16s}\n")
    wanted = tmp_path / "recipe.yaml"
    wanted.write_text("data: {root: x}\nmodel: {net: fcn16s, input_scale: 0.5}\n")
    assert changed_keys(run.load_config(), load_config(wanted)) == []
    assert capfd.readouterr().err == ""
