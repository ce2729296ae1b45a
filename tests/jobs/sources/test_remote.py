"""Tests of images elsewhere, where not everything can be had."""

from pathlib import Path
from typing import Any

import pytest
from file_server import Handler, serving, whole, without_ranges
from job_program import run_job
from photographs import files_below, write_image

import fcn.data.image_header
import fcn.jobs.sources.remote
from fcn.errors import DataError

fsspec = pytest.importorskip("fsspec")


class Refusing(fsspec.get_filesystem_class("memory")):  # type: ignore[misc]
    """Files in memory; folders in `refused` cannot be listed. Listings are kept, as from a network."""

    protocol = "refusing"
    store: dict[str, Any] = {}
    pseudo_dirs = [""]
    refused: set[str] = set()
    most_kept = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = super()._strip_protocol(path.removeprefix("refusing:/"))
        return stripped

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        if self._strip_protocol(path) in self.refused:
            raise PermissionError("access denied")
        self.dircache[path] = super().ls(path, detail=detail, **options)
        type(self).most_kept = max(self.most_kept, len(self.dircache))
        return self.dircache[path]


@pytest.fixture
def remote(tmp_path: Path) -> Any:
    fsspec.register_implementation("refusing", Refusing, clobber=True)
    Refusing.store.clear()
    Refusing.refused, Refusing.most_kept = set(), 0
    system = fsspec.filesystem("refusing")
    for name in ("a.png", "one/b.png", "two/c.png", "two/deep/d.png", ".hidden/e.png"):
        system.pipe_file(f"/bucket/{name}", write_image(tmp_path / "a.png").read_bytes())
    return system


def test_a_folder_that_cannot_be_listed_has_failed(remote: Any, tmp_path: Path) -> None:
    output = tmp_path / "labels"
    Refusing.refused = {"/bucket/two", "/bucket/.hidden"}
    result = run_job(output, "refusing://bucket", kinds=("palette",))
    assert files_below(output) == {"a.png", "one/b.png"}
    ((place, reason),) = result.failed
    assert place == "refusing:///bucket/two"
    assert reason.startswith("cannot be listed (PermissionError: access denied)")
    Refusing.refused = set()
    result = run_job(output, "refusing://bucket", kinds=("palette",))
    assert (result.written, result.labeled, result.failed) == (2, 4, ())
    assert files_below(output) == {"a.png", "one/b.png", "two/c.png", "two/deep/d.png"}
    assert Refusing.most_kept == 1


def test_a_place_that_cannot_be_listed_is_refused(remote: Any, tmp_path: Path) -> None:
    Refusing.refused = {"/bucket"}
    with pytest.raises(DataError, match=r"refusing:///bucket: cannot be listed \(PermissionError"):
        run_job(tmp_path / "labels", "refusing://bucket")


def test_an_image_of_any_length_is_read_and_a_longer_one_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiohttp")
    data = write_image(tmp_path / "a.png").read_bytes()
    untold = without_ranges(data, Content_Length=None)
    with serving(untold) as server:
        assert run_job(tmp_path / "untold", f"{server.url}.png").written == 1
    refused = [without_ranges(data, Content_Length=60 * 10**9)]
    monkeypatch.setattr(fcn.jobs.sources.remote, "MAX_BYTES", len(data) - 1)
    monkeypatch.setattr(fcn.data.image_header, "MAX_BYTES", len(data) - 1)
    for answer in [*refused, untold, whole(data)]:
        with serving(answer) as server:
            ((_, reason),) = run_job(tmp_path / "refused", f"{server.url}.png").failed
        assert reason.startswith("expected an image of at most")
        assert ("Received: 60.0 GB" in reason) == (answer in refused)


def test_a_web_page_that_links_out_of_its_folder_writes_nothing_outside(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    data = write_image(tmp_path / "a.png").read_bytes()
    links = (
        "../../victim/x.png",
        "%2e%2e/%2e%2e/victim/x.png",
        "..%2f..%2fvictim/x.png",
        "deep/../../../victim/x.png",
        "../../../../../../../../tmp/x.png",
        "good/a.png",
    )
    page = "".join(f'<a href="{link}">x</a>' for link in links).encode()

    def answer(request: Handler) -> None:
        request.reply(200, data if request.path.endswith(".png") else page)

    victim, output = tmp_path / "victim" / "x.png", tmp_path / "at" / "labels"
    victim.parent.mkdir()
    victim.write_bytes(b"mine")
    with serving(answer) as server:
        url = server.url.replace("/file", "/a/b/")
        result = run_job(output, url, kinds=("palette",))
    assert victim.read_bytes() == b"mine"
    assert files_below(output) == {"good/a.png"}
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "victim", "at"}
    assert result.labeled == 1
    assert len(result.failed) == len(links) - 1
    for place, reason in result.failed:
        assert str(place).startswith(url)
        assert reason.startswith("names '../")
        assert f"outside of the folder {output}" in reason


@pytest.mark.parametrize("key", ["two\0/f.png", "two/\ud800.png"])
def test_a_key_that_cannot_be_the_name_of_a_file_has_failed(remote: Any, tmp_path: Path, key: str) -> None:
    Refusing.store[f"/bucket/{key}"] = Refusing.store["/bucket/a.png"]
    result = run_job(tmp_path / "labels", "refusing://bucket", kinds=("palette",))
    assert files_below(tmp_path / "labels") == {"a.png", "one/b.png", "two/c.png", "two/deep/d.png"}
    ((place, reason),) = result.failed
    assert str(place).startswith("refusing:///bucket/two")
    assert reason.startswith("names 'two")


def test_a_key_that_leads_out_of_the_bucket_has_failed(remote: Any, tmp_path: Path) -> None:
    victim = tmp_path / "victim" / "x.png"
    victim.parent.mkdir()
    victim.write_bytes(b"mine")
    output = tmp_path / "at" / "labels"
    Refusing.store["/bucket/two/../../victim/x.png"] = Refusing.store["/bucket/a.png"]
    result = run_job(output, "refusing://bucket", kinds=("palette",))
    assert files_below(output) == {"a.png", "one/b.png", "two/c.png", "two/deep/d.png"}
    assert victim.read_bytes() == b"mine"
    assert all("outside of the folder" in reason for _, reason in result.failed)


def test_a_web_page_that_links_back_to_itself_is_searched_once(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    data = write_image(tmp_path / "a.png").read_bytes()
    page = b'<a href="../b/">1</a> <a href="../../other/">2</a> <a href="a.png">3</a> <a href="sub/../">4</a>'

    def answer(request: Handler) -> None:
        request.reply(200, data if request.path.endswith(".png") else page)

    with serving(answer) as server:
        url = server.url.replace("/file", "/a/b/")
        result = run_job(tmp_path / "labels", url, kinds=("palette",))
        assert len(server.requests) < 10
    assert files_below(tmp_path / "labels") == {"a.png"}
    assert {reason.split(",")[0] for _, reason in result.failed} == {"names '.'", "names '../../other'"}
