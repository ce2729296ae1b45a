"""Tests of images elsewhere, where not everything can be had."""

from pathlib import Path
from typing import Any

import pytest
from file_server import serving, whole, without_ranges
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
