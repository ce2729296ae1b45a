"""The folder of published weights, filled from a server on this machine."""

import hashlib
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from caffe_net import build_fcn, write_caffemodel
from file_server import Handler, dropping, failing, serving, whole, without_ranges

from fcn.errors import DownloadError, OutputError
from fcn.system.download.file import Checksum
from fcn.system.download.retry import RetryPolicy
from fcn.weights.cache import WeightCache, user_folder
from fcn.weights.catalog import NETS, PublishedNet

DATA = np.random.default_rng(0).bytes(100_000)
OTHER = np.random.default_rng(1).bytes(100_000)
QUICK = RetryPolicy(failures=2, connections=10, pause_seconds=0, timeout_seconds=10)
UNKNOWN = NETS["fcn8s-at-once-voc"]
FILE = UNKNOWN.file.name


def stated(net: PublishedNet = UNKNOWN) -> PublishedNet:
    """Returns the net as if its checksum and size were public."""
    checksum = Checksum("md5", hashlib.md5(DATA).hexdigest(), "this test")
    return net._replace(file=net.file._replace(checksum=checksum, size=len(DATA)))


def cache_of(folder: Path, mirror: str) -> WeightCache:
    return WeightCache(folder, mirror, QUICK)


@pytest.fixture(scope="module")
def net_files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Two files with weights."""
    folder = tmp_path_factory.mktemp("nets")
    builds = [build_fcn(32, width=1 / 64, fc_channels=4, seed=seed) for seed in range(2)]
    return [write_caffemodel(folder / str(index), layers).read_bytes() for index, layers in enumerate(builds)]


@pytest.fixture(autouse=True)
def no_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


def test_a_file_comes_once_with_its_license_before(tmp_path: Path, capsys) -> None:
    with serving(dropping(DATA, 60_000)) as server:
        cache = cache_of(tmp_path / "weights", server.url.removesuffix("/file"))
        path = cache.fetch("net", stated())
        assert path == tmp_path / "weights" / FILE
        assert path.read_bytes() == DATA
        first = capsys.readouterr().err
        assert first.startswith(f"net: {UNKNOWN.title}; {FILE}, 0 MB.\nLicense: unrestricted use")
        assert "Commercial use: yes. See https://github.com/shelhamer" in first
        assert cache.fetch("net", stated()) == path
        assert capsys.readouterr().err == ""
        assert server.requests == [0, 60_000]
    assert not [found for found in path.parent.iterdir() if ".part" in found.name]


def test_a_file_without_a_public_checksum_is_recorded_and_that_is_said(
    tmp_path: Path, net_files: list[bytes], capsys
) -> None:
    first, other = net_files
    sha256 = hashlib.sha256(first).hexdigest()
    with serving(whole(first)) as server:
        cache = cache_of(tmp_path, server.url.removesuffix("/file"))
        path = cache.fetch("net", UNKNOWN)
        said = capsys.readouterr().err
        assert f"{FILE}: no checksum is public. Its SHA-256 was recorded" in said
        assert sha256 in said
        assert cache.state(UNKNOWN) == ("whole", "its SHA-256 at the first download")
        path.unlink()
        cache.fetch("net", UNKNOWN)  # the same again is as good as the first
        assert "recorded" not in capsys.readouterr().err
        path.unlink()
        server.answers[:] = [whole(other)]
        refusal = rf"{FILE}: has the SHA-256 .* but {sha256} when it was first .* fcn weights remove net"
        for _ in range(2):
            with pytest.raises(DownloadError, match=refusal):
                cache.fetch("net", UNKNOWN)
        assert cache.remove("net", UNKNOWN) == [path]
        assert cache.state(UNKNOWN) == ("absent", "")
        assert cache.fetch("net", UNKNOWN).read_bytes() == other


BAD_FILES = {
    "a page": b"<html><head><title>Gone</title></head></html>",
    "an error of a store": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "text": b'{"error": "quota"}',
    "noise": DATA,
    "nothing": b"",
}


@pytest.mark.parametrize("source", ["server", "folder", "by hand"])
@pytest.mark.parametrize("kind", [*BAD_FILES, "half a net"])
def test_what_is_not_weights_is_never_recorded(
    tmp_path: Path, net_files: list[bytes], kind: str, source: str, capsys
) -> None:
    whole_net = net_files[0]
    bad = BAD_FILES.get(kind, whole_net[: len(whole_net) // 2])
    mirror, folder = tmp_path / "mirror", tmp_path / "weights"
    for one in (mirror, folder):
        one.mkdir()
    (mirror / FILE).write_bytes(bad)
    if source == "by hand":
        (folder / FILE).write_bytes(bad)
    with serving(whole(bad)) as server:
        cache = cache_of(folder, server.url.removesuffix("/file") if source == "server" else str(mirror))
        with pytest.raises(DownloadError) as raised:
            cache.fetch("net", UNKNOWN)
    assert "recorded" not in capsys.readouterr().err
    if source == "by hand":
        assert "fcn weights remove net" in str(raised.value)
        assert (folder / FILE).read_bytes() == bad
        assert cache.remove("net", UNKNOWN) == [folder / FILE]
    left = {path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    assert {name for name, size in left.items() if size} == set()
    (mirror / FILE).write_bytes(whole_net)
    assert cache_of(folder, str(mirror)).fetch("net", UNKNOWN).read_bytes() == whole_net


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (whole(OTHER), "expected the MD5"),
        (without_ranges(DATA, Content_Length=5), "has another file: expected 100000 bytes. Received: 5"),
        (without_ranges(b"<html><title>Moved</title>", Content_Type="text/html"), "a web page .*'Moved'"),
        (failing(404), "answered 404"),
        (failing(503), "answered 503"),
    ],
)
def test_what_a_server_does_wrong_leaves_no_file(tmp_path: Path, answer, message: str) -> None:
    with serving(answer) as server:
        cache = cache_of(tmp_path / "weights", server.url.removesuffix("/file"))
        with pytest.raises(DownloadError, match=message) as raised:
            cache.fetch("net", stated())
    assert not (tmp_path / "weights" / FILE).exists()
    assert cache.state(stated())[0] == "absent"
    assert f"at {tmp_path / 'weights' / FILE}" in str(raised.value)


def test_without_a_network_one_message_says_what_to_put_where(tmp_path: Path, capsys) -> None:
    cache = cache_of(tmp_path, "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(DownloadError) as raised:
        cache.fetch("net", stated())
    md5 = hashlib.md5(DATA).hexdigest()
    assert f"put {FILE} (100,000 bytes, MD5 {md5}) at {tmp_path / FILE}" in str(raised.value)
    assert "--mirror" in str(raised.value)
    # Besides the license there is nothing else to read.
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_file_that_was_put_there_is_checked_once(tmp_path: Path) -> None:
    cache = cache_of(tmp_path, "http://127.0.0.1:9")
    (tmp_path / FILE).write_bytes(OTHER)
    with pytest.raises(DownloadError, match=r"is not .* as it was published: .* fcn weights remove net"):
        cache.fetch("net", stated())
    (tmp_path / FILE).write_bytes(DATA)
    assert cache.fetch("net", stated()) == tmp_path / FILE
    assert cache.state(stated()) == ("whole", f"{stated().file.checksum.title}, stated by this test")
    (tmp_path / FILE).write_bytes(DATA[:-1] + b"?")
    state, problem = cache.state(stated())
    assert (state, "expected the MD5" in problem) == ("damaged", True)


def test_a_file_that_changes_without_a_public_checksum_is_damaged(
    tmp_path: Path, net_files: list[bytes]
) -> None:
    cache = cache_of(tmp_path, "")
    (tmp_path / FILE).write_bytes(net_files[0])
    sha256 = hashlib.sha256(net_files[0]).hexdigest()
    assert cache.state(UNKNOWN) == ("whole", "nothing, since no checksum is known")
    cache.fetch("net", UNKNOWN)
    (tmp_path / FILE).write_bytes(OTHER)
    assert cache.state(UNKNOWN) == ("damaged", f"expected the SHA-256 {sha256}, that of the first download")


def test_a_folder_can_be_the_mirror(tmp_path: Path) -> None:
    mirror, cache = tmp_path / "mirror", cache_of(tmp_path / "weights", str(tmp_path / "mirror"))
    with pytest.raises(DownloadError, match=rf"{FILE}: cannot be read") as raised:
        cache.fetch("net", stated())
    assert str(mirror / FILE) in str(raised.value)
    mirror.mkdir()
    (mirror / FILE).write_bytes(OTHER)
    with pytest.raises(DownloadError, match=r"is not .* as it was published: expected the MD5"):
        cache.fetch("net", stated())
    assert not (tmp_path / "weights" / FILE).exists()
    (mirror / FILE).write_bytes(DATA)
    assert cache.fetch("net", stated()).read_bytes() == DATA
    assert (mirror / FILE).exists()


def test_a_mirror_may_be_written_as_a_file_url_and_no_other_scheme_is_asked(tmp_path: Path, capsys) -> None:
    (tmp_path / FILE).write_bytes(DATA)
    for mirror in ("ftp://127.0.0.1/m", "s3://bucket"):
        with pytest.raises(DownloadError, match=rf"{mirror}: expected a folder"):
            cache_of(tmp_path / "weights", mirror).fetch("net", stated())
        assert "Trying again" not in capsys.readouterr().err
    assert cache_of(tmp_path / "weights", tmp_path.as_uri()).fetch("net", stated()).read_bytes() == DATA


def test_publishers_are_asked_in_order_without_a_mirror(tmp_path: Path) -> None:
    with serving(failing(404)) as dead, serving(whole(DATA)) as alive:
        net = stated()._replace(file=stated().file._replace(urls=(dead.url, alive.url)))
        assert cache_of(tmp_path, "").fetch("net", net).read_bytes() == DATA
        assert (dead.requests, alive.requests) == ([0], [0])


def test_what_keras_has_downloaded_is_used(tmp_path: Path, capsys) -> None:
    theirs = tmp_path / "keras" / "models" / FILE
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(DATA)
    cache = cache_of(tmp_path / "weights", "http://127.0.0.1:9")
    assert cache.fetch("net", stated()) == theirs
    assert capsys.readouterr().err == ""
    assert cache.find(stated()) == theirs
    assert cache.state(stated()) == ("whole", f"{stated().file.checksum.title}, stated by this test")
    assert (cache.find(UNKNOWN), cache.state(UNKNOWN)) == (None, ("absent", ""))
    theirs.write_bytes(OTHER)
    assert cache.state(stated()) == ("absent", "")
    with pytest.raises(DownloadError):
        cache.fetch("net", stated())
    theirs.write_bytes(DATA[:-1])
    assert cache.find(stated()) is None
    theirs.write_bytes(DATA)
    cache.folder.mkdir(exist_ok=True)
    (cache.folder / FILE).write_bytes(OTHER)
    assert cache.find(stated()) == cache.folder / FILE
    assert cache.state(stated())[0] == "damaged"


def test_two_programs_fetch_a_file_once(tmp_path: Path, capsys) -> None:
    going, release = threading.Event(), threading.Event()

    def slow(request: Handler) -> None:
        going.set()
        release.wait(20)
        whole(DATA)(request)

    with serving(slow) as server:
        found: list[Path] = []

        def fetch() -> None:
            found.append(cache_of(tmp_path, server.url.removesuffix("/file")).fetch("net", stated()))

        threads = [threading.Thread(target=fetch) for _ in range(2)]
        threads[0].start()
        assert going.wait(20)
        threads[1].start()
        until = time.monotonic() + 20
        while "Waiting for another program that writes" not in capsys.readouterr().err:
            assert time.monotonic() < until
            time.sleep(0.01)
        release.set()
        for thread in threads:
            thread.join(20)
        assert found == [tmp_path / FILE] * 2
        assert server.requests == [0]


def test_another_file_does_not_wait(tmp_path: Path) -> None:
    cache = cache_of(tmp_path, "")
    with cache.locked(tmp_path / "other"):
        (tmp_path / FILE).write_bytes(DATA)
        assert cache.fetch("net", stated()) == tmp_path / FILE


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with serving(whole(DATA)) as server, pytest.raises(OutputError, match="cannot be written"):
        cache_of(tmp_path / "file", server.url.removesuffix("/file")).fetch("net", stated())


def test_everything_of_a_net_is_removed(tmp_path: Path) -> None:
    cache = cache_of(tmp_path, "")
    run = cache.net_path("net")
    (run / "checkpoints").mkdir(parents=True)
    for name in (FILE, f"{FILE}.part", f"{FILE}.part.json", f"{FILE}.json"):
        (tmp_path / name).write_bytes(b"{}")
    assert cache.remove("net", stated()) == [tmp_path / FILE, tmp_path / f"{FILE}.part", run]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"] == []
    assert cache.remove("net", stated()) == []


@pytest.mark.parametrize(
    "record", [b"", b"{", b"[]", b'{"sha256": 1}', b"[" * 100_000, b'{"sha256": "x", "size": {}}']
)
def test_a_damaged_record_is_written_again(tmp_path: Path, net_files: list[bytes], record: bytes) -> None:
    (tmp_path / FILE).write_bytes(net_files[0])
    (tmp_path / f"{FILE}.json").write_bytes(record)
    cache = cache_of(tmp_path, "")
    cache.fetch("net", UNKNOWN)
    assert cache.state(UNKNOWN) == ("whole", "its SHA-256 at the first download")


def test_the_environment_names_folder_and_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCN_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("FCN_WEIGHTS_MIRROR", "http://mirror/")
    assert (WeightCache().folder, WeightCache().mirror) == (tmp_path, "http://mirror/")
    assert WeightCache(mirror="elsewhere").mirror == "elsewhere"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FCN_WEIGHTS", "~/mine")
    assert WeightCache().folder == tmp_path / "mine"
    monkeypatch.delenv("FCN_WEIGHTS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if sys.platform == "linux":
        assert WeightCache().folder == user_folder() == tmp_path / "cache" / "fcn" / "weights"
