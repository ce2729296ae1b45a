"""Tests of lists of images, and of images elsewhere."""

import io
import os
from pathlib import Path

import pytest
from file_server import serving, whole
from job_program import run_job
from photographs import files_below, write_image

from fcn.errors import BackendError, DataError
from fcn.jobs.sources.links import path_of_url
from fcn.jobs.sources.path_list import PathList


def listed(*entries: object, separator: bytes = b"\n") -> PathList:
    return PathList(io.BytesIO(separator.join(os.fsencode(str(entry)) for entry in entries)), separator)


def labels(output: Path) -> set[str]:
    return {name for name in files_below(output) if not name.endswith(".overlay.jpg")}


@pytest.mark.parametrize("separator", [b"\n", b"\0"])
def test_a_list_keeps_the_folders_of_its_images(
    separator: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("work/one/a.jpg", "work/two/a.jpg", "work/b.jpg", "work/tree/x/c.jpg", "else/d.jpg"):
        write_image(tmp_path / name)
    odd = write_image(tmp_path / "work" / os.fsdecode(b"\xff .jpg"))
    newline = write_image(tmp_path / "work" / "e\n.jpg")
    monkeypatch.chdir(tmp_path / "work")
    entries = ["one/a.jpg", "./two/a.jpg", "b.jpg", "tree", "../else/d.jpg", odd, "", "one/a.jpg", "lost.jpg"]
    entries += [newline] if separator == b"\0" else []
    output = tmp_path / "labels"
    result = run_job(output, listed(*entries, separator=separator))
    absolute = str(tmp_path).lstrip("/")
    expected = {"one/a.png", "two/a.png", "b.png", "tree/x/c.png", f"{absolute}/else/d.png"}
    expected |= {os.fsdecode(os.fsencode(f"{absolute}/work/") + b"\xff .png")}
    expected |= {f"{absolute}/work/e\n.png"} if separator == b"\0" else set()
    assert labels(output) == expected
    assert [(str(path), reason.partition(".")[0]) for path, reason in result.failed] == [
        ("lost.jpg", "cannot be read (No such file or directory)")
    ]
    # In another order, and with one more: only that is labeled.
    more = [*entries[::-1], write_image(tmp_path / "work" / "f.jpg")]
    assert run_job(output, listed(*more, separator=separator)).written == 1


def test_a_listed_image_that_was_missing_is_labeled_once_it_is_there(tmp_path: Path) -> None:
    here, later, output = write_image(tmp_path / "a.jpg"), tmp_path / "b.jpg", tmp_path / "labels"
    assert [path for path, _ in run_job(output, listed(here, later)).failed] == [later]
    write_image(later)
    result = run_job(output, listed(here, later))
    assert (result.written, result.labeled, result.failed) == (1, 2, ())


def test_an_empty_list_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the list: no images found"):
        run_job(tmp_path / "labels", listed())


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://host:81/a/../../../b.jpg", "b.jpg"),
        ("http://host/%2e%2e/%2e%2e/%2e%2e/b.jpg?x=/..", "b.jpg"),
        ("s3://bucket/../../b.jpg", "b.jpg"),
        ("s3://bucket/a%20#b.jpg", "bucket/a%20#b.jpg"),
    ],
)
def test_no_url_leads_out_of_the_output_folder(url: str, path: str) -> None:
    assert path_of_url(url) == path


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(BackendError, match=r"s3://bucket/a\.jpg.*pip install 'keras-fcn\[remote\]'"):
        run_job(tmp_path / "labels", "s3://bucket/a.jpg")


def test_remote_folders_are_labeled_as_local_ones(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    for name in ("a.jpg", "sub/b.png", "sub/.hidden.jpg", "notes.txt"):
        (tmp_path / "in" / "sub").mkdir(parents=True, exist_ok=True)
        if name.endswith("txt"):
            (tmp_path / "in" / name).write_text("no image")
        else:
            write_image(tmp_path / "in" / name)
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "in"), "/bucket/in", recursive=True)
    run_job(tmp_path / "local", tmp_path / "in")
    result = run_job(tmp_path / "remote", "memory://bucket/in", batch_size=2)
    assert (result.written, result.failed) == (2, ())
    for name in ("a.png", "sub/b.png"):
        assert (tmp_path / "remote" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
    assert run_job(tmp_path / "remote", "memory://bucket/in").written == 0
    entries = listed("memory://bucket/in/a.jpg", "memory://bucket/in/lost.jpg", "memory://bucket/in/sub")
    result = run_job(tmp_path / "listed", entries)
    assert labels(tmp_path / "listed") == {"bucket/in/a.png", "bucket/in/sub/b.png"}
    assert [str(path) for path, _ in result.failed] == ["memory://bucket/in/lost.jpg"]


def test_an_image_on_a_server_is_labeled(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    image = write_image(tmp_path / "a.jpg")
    with serving(whole(image.read_bytes())) as server:
        result = run_job(tmp_path / "remote", f"{server.url}%20x.jpg?size=1")
    run_job(tmp_path / "local", image)
    assert (result.written, result.failed) == (1, ())
    assert (tmp_path / "remote" / "file x.png").read_bytes() == (tmp_path / "local" / "a.png").read_bytes()


def test_a_list_writes_nothing_outside_of_the_output_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiohttp")
    write_image(tmp_path / "victim" / "a.jpg")
    (tmp_path / "victim" / "a.png").write_bytes(b"mine")
    (tmp_path / "work" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work" / "deep")
    data = (tmp_path / "victim" / "a.jpg").read_bytes()
    with serving(whole(data)) as server:
        host = server.url.removesuffix("/file")
        entries = [
            "../../victim/a.jpg",
            "./../deep/../../victim/a.jpg",
            f"{tmp_path}/work/../victim/a.jpg",
            f"{host}/../../victim/a.jpg",
            f"{host}/%2e%2e/..%2fvictim/b.jpg",
            f"{host}/..%2f..%2f..%2fvictim%2fc.jpg",
        ]
        run_job(tmp_path / "work" / "labels", listed(*entries), kinds=("palette",))
    found = files_below(tmp_path / "work" / "labels")
    local = str(tmp_path / "victim" / "a.png").lstrip("/")
    assert found == {local, "victim/a.png", "victim/b.png", "victim/c.png"}
    assert files_below(tmp_path / "victim") == {"a.jpg", "a.png"}
    assert (tmp_path / "victim" / "a.png").read_bytes() == b"mine"
    assert {path.name for path in tmp_path.iterdir()} == {"victim", "work"}
