from pathlib import Path

import pytest
from caffe_net import build_fcn, write_caffemodel
from file_server import dropping, serving, whole, without_ranges

from fcn.errors import DownloadError
from fcn.system.download.retry import RetryPolicy
from fcn.weights.cache import WeightCache
from fcn.weights.catalog import NETS
from fcn.weights.from_url import fetch_url, name_of_url, remove_url_copy

DATA = bytes(range(256)) * 100
QUICK = RetryPolicy(failures=2, connections=10, pause_seconds=0, timeout_seconds=10)


def test_a_file_from_any_url_is_kept_until_it_is_forgotten(tmp_path: Path) -> None:
    cache = WeightCache(tmp_path, "", QUICK)
    with serving(whole(DATA)) as server:
        url = f"{server.url}s/my%20net.pth?token=1"
        path = fetch_url(url, cache)
        assert (path.name, path.read_bytes()) == ("my_net.pth", DATA)
        assert fetch_url(url, cache) == path
        other = fetch_url(f"{server.url}s/my%20net.pth?token=2", cache)
        assert other != path
        assert server.requests == [0, 0]
    remove_url_copy(url, cache)
    assert not path.exists()
    assert other.exists()


@pytest.mark.parametrize("end", ["/", "/..", "/%2e%2e%2f", "/a/" + "x" * 300 + ".h5", "/%00", "?"])
def test_no_url_leads_out_of_the_folder(tmp_path: Path, end: str) -> None:
    cache = WeightCache(tmp_path / "weights", "", QUICK)
    with serving(whole(DATA)) as server:
        path = fetch_url(server.url.removesuffix("/file") + end, cache)
    assert path.resolve().parents[2] == tmp_path / "weights"
    assert path.read_bytes() == DATA


def test_a_page_is_said_to_be_one(tmp_path: Path) -> None:
    page = without_ranges(b"<html><title>Sign in</title></html>", Content_Type="text/html")
    with serving(page) as server, pytest.raises(DownloadError, match=r"sent a web page .*'Sign in'"):
        fetch_url(server.url, WeightCache(tmp_path, "", QUICK))


def test_a_broken_line_is_continued(tmp_path: Path) -> None:
    with serving(dropping(DATA, 20_000), whole(DATA, ETag='"1"')) as server:
        assert fetch_url(server.url, WeightCache(tmp_path, "", QUICK)).read_bytes() == DATA


def test_the_url_of_a_published_net_is_that_net(tmp_path: Path) -> None:
    net = NETS["fcn8s-at-once-voc"]
    write_caffemodel(tmp_path / net.file.name, build_fcn(32, width=1 / 64, fc_channels=4))
    cache = WeightCache(tmp_path, "", QUICK)
    (url,) = net.file.urls
    assert name_of_url(url) == "fcn8s-at-once-voc"
    assert fetch_url(url, cache) == tmp_path / net.file.name
    remove_url_copy(url, cache)
    assert (tmp_path / net.file.name).exists()
