"""Tests of optional packages, and of what is said where one is missing."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
from git_files import git_files

from fcn.errors import BackendError
from fcn.system.optional import import_optional, missing_package

HERE = Path(__file__).parents[2]


def test_a_package_that_is_there_is_returned() -> None:
    assert import_optional("json.decoder", "--json", "none") is sys.modules["json.decoder"]


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("no_such_package.part", "the package no-such-package is not installed"),
        ("needs_another", "the package another is not installed"),
        ("broken", "the package broken cannot be used (libmissing.so: cannot open)"),
    ],
)
def test_what_is_missing_is_named(
    module: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_another.py").write_text("import another.part\n")
    (tmp_path / "broken.py").write_text("raise ImportError('libmissing.so: cannot open')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackendError) as caught:
        import_optional(module, "--ray", "distributed")
    assert str(caught.value) == f"--ray: {reason}. Install it: pip install 'keras-fcn[distributed]'."


def test_a_package_of_no_extra_is_installed_by_its_name() -> None:
    error = missing_package("export", "tensorflow", remedy="Or export elsewhere.")
    assert str(error) == (
        "export: the package tensorflow is not installed. Install it: pip install tensorflow. "
        "Or export elsewhere."
    )


def test_only_a_port_for_grpc_needs_its_package(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from fcn.cli.main import main

    monkeypatch.setitem(sys.modules, "grpc", None)
    for options, expected in (
        (
            ["--grpc-port", "8500"],
            "Error: --grpc-port: the package grpcio is not installed. "
            "Install it: pip install 'keras-fcn[serve]'.\n",
        ),
        ([], "Error: nothing: "),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["serve", "nothing", *options])
        assert stopped.value.code == 2
        assert capsys.readouterr().err.startswith(expected)


def test_serving_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from fcn.cli.main import main

    monkeypatch.setitem(sys.modules, "orjson", None)
    with pytest.raises(SystemExit) as stopped:
        main(["serve", "nothing"])
    assert stopped.value.code == 2
    errors = capsys.readouterr().err
    assert errors == (
        "Error: serve: the package orjson is not installed. Install it: pip install 'keras-fcn[serve]'.\n"
    )


def test_nothing_says_to_install_the_package_of_another_project() -> None:
    """On PyPI `fcn` belongs to others; this distribution is `keras-fcn`."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    assert project["name"] == "keras-fcn"
    files = [HERE / name for name in git_files()]
    assert len(files) > 500
    installs = re.compile(r"pip install [^\n`]*?(?<![\w./-])fcn(?![\w./-])")
    extra_of_other = re.compile(r"(?<![\w.-])fcn\[(?=[a-z])")
    extras = re.compile(r"keras-fcn\[([\w,]+)\]")
    named = set()
    for path in files:
        if path == Path(__file__):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # an image, say
            continue
        for wrong in (installs, extra_of_other):
            found = wrong.search(text)
            assert found is None, f"{path}: {found and found.group()}"
        named |= {extra for match in extras.findall(text) for extra in match.split(",")}
    assert named - {"extra"} <= set(project["optional-dependencies"])
    assert {"openvino", "remote", "serve"} <= named
    for text in ("pip install fcn", "pip install 'fcn[serve]'", 'pip install -U "fcn"'):
        assert installs.search(text)
    assert not installs.search("pip install 'keras-fcn[serve]'")
    assert extra_of_other.search("with `fcn[remote]`")
