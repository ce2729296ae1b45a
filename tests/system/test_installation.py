"""The command that installs a package beside this one."""

import importlib.util
import sys
from pathlib import Path

import pytest

from fcn.system.installation import find_installer, install_command, pip_of_environment


def test_environments_of_pipx_and_uv_are_recognized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_installer(tmp_path) == "pip"
    (tmp_path / "uv-receipt.toml").touch()
    assert find_installer(tmp_path) == "uv"
    (tmp_path / "pipx_metadata.json").touch()
    assert find_installer(tmp_path) == "pipx"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert find_installer(tmp_path / "none") == "uv"  # an environment of `uv venv` has no pip


@pytest.mark.parametrize(
    ("installer", "expected"),
    [
        ("pip", "pip install 'keras-fcn[serve]'"),
        ("pipx", "pipx runpip keras-fcn install 'keras-fcn[serve]'"),
        ("uv", "uv pip install --python '/home/my self/python' 'keras-fcn[serve]'"),
    ],
)
def test_a_command_is_of_the_installer(
    installer: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/home/my self/python")
    assert install_command("keras-fcn[serve]", installer=installer) == expected


def test_options_of_pip_may_be_before_a_package() -> None:
    shown = install_command("--force-reinstall torch", "python -m pip", "pip")
    assert shown == "python -m pip install --force-reinstall torch"


def test_pip_is_named_by_its_environment_where_the_shell_finds_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pip").touch(0o755)
    python = tmp_path / "one" / "python"
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PATH", str(tmp_path / "one"))
    assert pip_of_environment() == "pip"
    monkeypatch.setenv("PATH", str(tmp_path / "other"))
    assert pip_of_environment() == f"{python} -m pip"
