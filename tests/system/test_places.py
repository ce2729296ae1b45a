"""Tests that names from elsewhere never lead out of their folder."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fcn.errors import FcnError, OutputError, PlaceError
from fcn.system.places import _is_relative, output_below, path_below

LEADING_OUT = ["..", ".", "", "/", "//", "\\", "..\\", "C:", "c:\\", "\\\\host\\share", "\0", "~", " ", ".. "]
BELOW = ["real", "link", "dangling", "loop", "...", "a", "a.png", "x" * 300, "x/" * 200, "\u202e", "漢"]
PIECES = st.one_of(
    st.sampled_from(LEADING_OUT),
    st.sampled_from(BELOW),
    st.text(max_size=4),
    st.text(st.characters(categories=["Cs"]), max_size=2),
)
NAMES = st.one_of(
    st.lists(PIECES, max_size=8).map("/".join), st.lists(PIECES, max_size=8).map("".join), st.text()
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with links that lead out of it."""
    top = tmp_path_factory.mktemp("place")
    (top / "outside").mkdir()
    folder = top / "folder"
    (folder / "real" / "deep").mkdir(parents=True)
    for place in (folder, folder / "real", folder / "real" / "deep"):
        (place / "link").symlink_to(top / "outside")
        (place / "dangling").symlink_to(top / "nothing")
        (place / "loop").symlink_to("loop")
    return folder


def attempt(function: Callable[[Path, str, str], Path], folder: Path, name: str) -> Path | FcnError:
    """Returns the path of a name from "listing", or its refusal."""
    try:
        return function(folder, name, "listing")
    except FcnError as error:
        return error


@given(name=NAMES)
def test_a_path_is_below_the_folder_or_refused(name: str, folder: Path) -> None:
    path = attempt(path_below, folder, name)
    if isinstance(path, FcnError):
        assert isinstance(path, PlaceError)
        assert str(path).startswith("listing: names ")
        assert len(str(path)) < 2500
        return
    assert path == folder / name
    # `normpath` takes `..` literally, as systems do where nothing is a link.
    assert os.path.normpath(path).startswith(f"{folder}{os.sep}")
    os.fsencode(path)
    assert path != folder


@given(name=NAMES)
def test_an_output_is_below_the_folder_on_the_disk_or_refused(name: str, folder: Path) -> None:
    path = attempt(output_below, folder, name)
    if isinstance(path, FcnError):
        assert str(path).startswith("listing: names ") or "is a link" in str(path)
        return
    assert os.path.realpath(path.parent).startswith(os.path.realpath(folder))
    assert not any(os.path.islink(parent) for parent in path.parents if parent.is_relative_to(folder))


@given(parts=st.lists(st.text("abc .-_:\\~\u00e4漢\udcff\n", min_size=1, max_size=9), min_size=1, max_size=4))
def test_ordinary_names_stay_as_they_are(parts: list[str]) -> None:
    assume(os.name == "posix" and not {".", ".."} & {*parts})
    assert os.fsencode(output_below(Path("out"), "/".join(parts), "listing")) == os.fsencode(
        "/".join(["out", *parts])
    )


@pytest.mark.parametrize(
    "name",
    ["", ".", "./", "..", "../a", "a/..", "a/../b", "a/../../b", "/a", "//a", "/", "a\0b", "a/\ud800"],
)
def test_what_is_no_name_below_a_folder_is_refused(name: str) -> None:
    with pytest.raises(PlaceError, match=r"^list\.txt: names .* outside of the folder out\. Expected"):
        path_below(Path("out"), name, "list.txt")


@pytest.mark.parametrize(
    "name",
    [
        "C:a",
        "C:\\a",
        "\\a",
        "\\\\host\\share\\a",
        "a\\..\\..\\b",
        ".. \\a",
        "...\\a",
        "a:b",
        "NUL",
        "a/nul/b",
        "a/C:/b",
        "a/..",
        "a\0b",
        "/a",
        "",
    ],
)
def test_what_leads_out_on_windows_is_refused_there(name: str) -> None:
    assert not _is_relative(name, on_windows=True)
    assert _is_relative(".\\a b\\.c/./d..png", on_windows=True)


def test_a_link_is_refused_on_the_way_but_not_at_the_ends(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "to_folder").symlink_to(folder)
    through = tmp_path / "to_folder"
    assert output_below(through, "real/link", "store") == through / "real" / "link"
    for name in ("link/a", "real/link/a", "dangling/a", "real/deep/link/a/b", "loop/a"):
        with pytest.raises(OutputError, match="is a link, and nothing is written or deleted through links"):
            output_below(through, name, "store")
        assert path_below(through, name, "list") == through / name
