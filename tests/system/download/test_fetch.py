"""Tests of fetching files from servers that break off, lie or have something else."""

import hashlib
import json
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from file_server import Answer, FileServer, Handler, dropping, failing, serving, whole, without_ranges

from fcn.errors import DownloadError, OutputError
from fcn.system.download.fetch import download
from fcn.system.download.file import Checksum, PublishedFile
from fcn.system.download.retry import RetryPolicy

DATA = np.random.default_rng(0).bytes(300_000)
WRONG = np.random.default_rng(1).bytes(300_000)
QUICK = RetryPolicy(failures=3, connections=20, pause_seconds=0, timeout_seconds=10)
Serve = Callable[..., FileServer]


@pytest.fixture
def serve() -> Serve:
    with ExitStack() as stack:
        yield lambda *answers: stack.enter_context(serving(*answers))


def published(*servers: FileServer, size: int | None = len(DATA)) -> PublishedFile:
    checksum = Checksum("md5", hashlib.md5(DATA).hexdigest(), "this test")
    return PublishedFile("set.tar", tuple(server.url for server in servers), checksum, size)


def unchecked(*servers: FileServer) -> PublishedFile:
    """Returns the same file as if nothing was known of its content."""
    return published(*servers, size=None)._replace(checksum=None)


def fetch(file: PublishedFile, folder: Path) -> bytes:
    path = download(file, folder, QUICK)
    assert path == folder / "set.tar"
    assert [found.name for found in folder.iterdir()] == ["set.tar"]
    return path.read_bytes()


def refusal(file: PublishedFile, folder: Path) -> str:
    with pytest.raises(DownloadError) as caught:
        download(file, folder, QUICK)
    assert not (folder / "set.tar").exists()
    assert str(folder / "set.tar") in str(caught.value)
    for url in file.urls:
        assert url in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("size", [len(DATA), None])
def test_a_good_server_is_asked_once(tmp_path: Path, serve: Serve, size: int | None) -> None:
    server = serve(whole(DATA))
    assert fetch(published(server, size=size), tmp_path / "new") == DATA
    assert server.requests == [0]


def test_what_is_there_is_checked_and_not_fetched_again(tmp_path: Path, serve: Serve) -> None:
    server = serve(whole(DATA))
    (tmp_path / "set.tar").write_bytes(DATA)
    assert fetch(published(server), tmp_path) == DATA
    (tmp_path / "set.tar").write_bytes(WRONG)
    with pytest.raises(DownloadError, match=r"MD5.* Delete it and run the same command again"):
        download(published(server), tmp_path, QUICK)
    assert (tmp_path / "set.tar").read_bytes() == WRONG
    assert server.requests == []


@pytest.mark.parametrize("size", [len(DATA), None])
def test_a_server_that_breaks_off_is_asked_for_the_rest(
    tmp_path: Path, serve: Serve, size: int | None
) -> None:
    server = serve(dropping(DATA, 70_000))
    assert fetch(published(server, size=size), tmp_path) == DATA
    assert server.requests == [0, 70_000, 140_000, 210_000, 280_000]


def test_what_an_earlier_call_left_is_used(tmp_path: Path, serve: Serve) -> None:
    server = serve(whole(DATA))
    (tmp_path / "set.tar.part").write_bytes(DATA[:123_456])
    assert fetch(published(server), tmp_path) == DATA
    assert server.requests == [123_456]
    (tmp_path / "set.tar").rename(tmp_path / "set.tar.part")
    assert fetch(published(server), tmp_path) == DATA
    assert server.requests == [123_456]


@pytest.mark.parametrize("size", [len(DATA), None])
@pytest.mark.parametrize("left", [WRONG[:1000], WRONG, WRONG + b"more"])
def test_wrong_bytes_from_an_earlier_call_are_fetched_anew(
    tmp_path: Path, serve: Serve, left: bytes, size: int | None
) -> None:
    server = serve(whole(DATA))
    (tmp_path / "set.tar.part").write_bytes(left)
    assert fetch(published(server, size=size), tmp_path) == DATA
    assert server.requests[-1] == 0


def test_a_server_without_ranges_begins_anew(tmp_path: Path, serve: Serve) -> None:
    server = serve(dropping(DATA, 70_000), without_ranges(DATA))
    assert fetch(published(server), tmp_path) == DATA
    assert server.requests == [0, 70_000]


def test_a_server_without_ranges_that_breaks_off_is_given_up(tmp_path: Path, serve: Serve) -> None:
    server = serve(without_ranges(DATA[:70_000], Content_Length=len(DATA)))
    assert "connection" in refusal(published(server), tmp_path)
    assert server.requests == [0] + 3 * [70_000]


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_errors_that_pass_are_waited_for(tmp_path: Path, serve: Serve, status: int) -> None:
    server = serve(failing(status), failing(status), whole(DATA))
    assert fetch(published(server), tmp_path) == DATA
    assert len(server.requests) == 3
    assert f"answered {status}" in refusal(published(broken := serve(failing(status))), tmp_path / "no")
    assert len(broken.requests) == QUICK.failures


@pytest.mark.parametrize(("answers", "continues"), [((404,), False), ((404, 503), True)])
def test_trying_again_is_advised_only_where_it_may_help(
    tmp_path: Path, serve: Serve, answers: tuple[int, ...], continues: bool
) -> None:
    text = refusal(published(*(serve(failing(status)) for status in answers)), tmp_path)
    assert text.endswith("it continues where it stopped.") == continues
    assert ("Check the URL" in text) != continues


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/set.tar", "s3://bucket/set.tar", "http://[1/set.tar"])
def test_a_url_of_another_kind_is_not_asked_again(tmp_path: Path, url: str, capsys) -> None:
    text = refusal(published()._replace(urls=(url,)), tmp_path)
    assert "expected a URL that begins with http:// or https://" in text
    assert "Trying again" not in capsys.readouterr().err


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 204, 304])
def test_errors_that_stay_are_not_asked_about_again(tmp_path: Path, serve: Serve, status: int) -> None:
    server = serve(failing(status))
    assert f"answered {status}" in refusal(published(server), tmp_path)
    assert len(server.requests) == 1


def test_mirrors_are_tried_in_order_and_go_on_where_the_last_stopped(tmp_path: Path, serve: Serve) -> None:
    servers = [
        serve(failing(404)),
        serve(dropping(DATA, 100_000), failing(500)),
        serve(whole(DATA)),
        serve(whole(DATA)),
    ]
    assert fetch(published(*servers), tmp_path) == DATA
    assert [server.requests for server in servers] == [[0], [0] + 3 * [100_000], [100_000], []]


def test_without_a_server_the_next_is_asked(tmp_path: Path, serve: Serve) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    file = published(serve(whole(DATA)))
    file = file._replace(urls=(f"http://127.0.0.1:{port}/x", *file.urls))
    assert fetch(file, tmp_path) == DATA
    assert "connection failed" in refusal(file._replace(urls=file.urls[:1]), tmp_path / "no")


def lying(data: bytes, length: int) -> Answer:
    return without_ranges(data, Content_Length=length)


@pytest.mark.parametrize("length", [0, 5, len(DATA) - 1, len(DATA) + 1, 10 * len(DATA)])
def test_a_lie_about_the_length_brings_no_wrong_file(tmp_path: Path, serve: Serve, length: int) -> None:
    refusal(published(serve(lying(DATA, length))), tmp_path)
    good = serve(whole(DATA))
    assert fetch(published(serve(lying(DATA, length)), good), tmp_path) == DATA


@pytest.mark.parametrize("size", [len(DATA), None])
@pytest.mark.parametrize("length", ["9" * 5000, "1" * 20])
def test_a_length_of_thousands_of_digits_is_a_wrong_header(
    tmp_path: Path, serve: Serve, length: str, size: int | None
) -> None:
    server = serve(without_ranges(DATA, Content_Length=length))
    assert "an invalid length: " in refusal(published(server, size=size), tmp_path)
    assert len(server.requests) == 1


def test_a_file_that_is_longer_than_it_says_is_cut_by_nobody(tmp_path: Path, serve: Serve) -> None:
    """Without a length the answer ends where the connection does."""
    server = serve(without_ranges(DATA + b"more", Content_Length=None))
    assert "sends more than" in refusal(published(server), tmp_path)
    assert (tmp_path / "set.tar.part").stat().st_size == 0
    assert fetch(published(serve(without_ranges(DATA, Content_Length=None))), tmp_path) == DATA


def test_an_answer_without_end_is_stopped(tmp_path: Path, serve: Serve) -> None:
    def endless(request: Handler) -> None:
        request.reply(200, Content_Length=None)
        try:
            while True:
                request.wfile.write(bytes(1 << 16))
        except OSError:
            pass

    assert "sends more than" in refusal(published(serve(endless)), tmp_path)


@pytest.mark.parametrize(
    "content_range",
    [
        None,
        "bytes 0-9/300000",
        "bytes 70001-299999/300000",
        "junk",
        f"bytes {'7' * 5000}-9/300000",
        f"bytes 70000-299999/{'3' * 5000}",
    ],
)
def test_another_part_than_was_asked_for_is_refused(
    tmp_path: Path, serve: Serve, content_range: str | None
) -> None:
    (tmp_path / "set.tar.part").write_bytes(DATA[:70_000])
    answer = lambda request: request.reply(206, DATA[70_000:], Content_Range=content_range)  # noqa: E731
    assert "another part" in refusal(published(serve(answer)), tmp_path)
    assert (tmp_path / "set.tar.part").read_bytes() == DATA[:70_000]


def test_a_mirror_with_a_shorter_file_is_left(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "set.tar.part").write_bytes(DATA[:70_000])
    short, good = serve(whole(DATA[:60_000])), serve(whole(DATA))
    assert fetch(published(short, good), tmp_path) == DATA
    assert (short.requests, good.requests) == ([70_000], [70_000])


@pytest.mark.parametrize("size", [len(DATA), None])
def test_corrupt_content_is_refused_after_one_try(tmp_path: Path, serve: Serve, size: int | None) -> None:
    corrupt, good = serve(whole(WRONG)), serve(whole(DATA))
    assert "MD5" in refusal(published(corrupt, size=size), tmp_path)
    assert corrupt.requests == [0]
    assert fetch(published(corrupt, good, size=size), tmp_path) == DATA


def test_a_web_page_is_not_kept(tmp_path: Path, serve: Serve) -> None:
    server = serve(without_ranges(b"<html>", Content_Type="text/html; charset=utf-8"))
    assert "web page" in refusal(published(server, size=None), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_a_server_calls_compressed_stays_as_it_is(tmp_path: Path, serve: Serve) -> None:
    assert fetch(published(serve(whole(DATA, Content_Encoding="gzip"))), tmp_path) == DATA


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path, serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        file = published()._replace(urls=(url,))
        with pytest.raises(DownloadError, match="connection failed"):
            download(file, tmp_path, QUICK._replace(failures=1, timeout_seconds=0.2))


def test_one_byte_at_a_time_is_not_waited_for_forever(tmp_path: Path, serve: Serve) -> None:
    server = serve(dropping(DATA, 1))
    refusal(published(server), tmp_path)
    assert server.requests == list(range(QUICK.connections))


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"set\.tar"):
        download(published(serve(whole(DATA))), tmp_path / "file", QUICK)


@pytest.mark.parametrize("size", [len(DATA), None])
@pytest.mark.parametrize("target", [b"mine", DATA, None])
def test_a_part_that_is_a_link_is_not_followed(
    tmp_path: Path, serve: Serve, size: int | None, target: bytes | None
) -> None:
    victim = tmp_path / "victim"
    if target is not None:
        victim.write_bytes(target)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "set.tar.part").symlink_to(victim)
    assert fetch(published(serve(whole(DATA)), size=size), tmp_path / "new") == DATA
    assert not (tmp_path / "new" / "set.tar").is_symlink()
    assert (victim.read_bytes() if victim.exists() else None) == target


def test_a_part_that_becomes_a_link_is_not_followed(tmp_path: Path, serve: Serve) -> None:
    victim, part = tmp_path / "victim", tmp_path / "new" / "set.tar.part"
    victim.write_bytes(b"mine")

    def answer(request: Handler) -> None:
        part.unlink(missing_ok=True)
        part.symlink_to(victim)
        whole(DATA)(request)

    with pytest.raises(OutputError, match=r"set\.tar: cannot be written"):
        download(published(serve(answer)), tmp_path / "new", QUICK)
    assert victim.read_bytes() == b"mine"


PAGE = """<!DOCTYPE html><html><head><title>Drive - Virus scan warning</title></head><body>
<form id="search" action="/search"><input type="text" name="q" value="no"></form>
<form id="download-form" action="{action}" method="get"><input type="submit" value="Download anyway">
<input type="hidden" name="id" value="7"><input type="hidden" name="confirm" value="t&amp;1"></form>"""


def confirming(action: str, then: Answer, content_type: str = "text/html; charset=utf-8") -> Answer:
    """Answers as Google Drive does for large files: with a page, until the form on it was sent."""

    def answer(request: Handler) -> None:
        if "confirm=t%261" in request.path and "id=7" in request.path:
            then(request)
        else:
            request.reply(200, PAGE.format(action=action).encode(), Content_Type=content_type)

    return answer


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/octet-stream"])
@pytest.mark.parametrize("action", ["/download", "{server}/uc?export=download"])
def test_a_page_that_asks_to_confirm_is_answered(
    tmp_path: Path, serve: Serve, action: str, content_type: str, capsys
) -> None:
    server = serve(failing(500))
    action = action.format(server=server.url.removesuffix("/file"))
    server.answers[:] = [confirming(action, dropping(DATA, 200_000), content_type)]
    assert fetch(published(server), tmp_path) == DATA
    # The page, and the file in two parts.
    assert server.requests == [0, 0, 200_000]
    assert "confirm" not in capsys.readouterr().err


def test_a_download_that_is_confirmed_goes_on_in_a_later_call(tmp_path: Path, serve: Serve) -> None:
    server = serve(confirming("/download", whole(DATA)))
    (tmp_path / "set.tar.part").write_bytes(DATA[:1000])
    assert fetch(published(server), tmp_path) == DATA
    assert server.requests == [1000, 1000]


@pytest.mark.parametrize("action", ["https://elsewhere.example/get", "ftp://127.0.0.1/x", "http://[1/x"])
def test_a_form_of_another_host_is_not_sent(tmp_path: Path, serve: Serve, action: str) -> None:
    server = serve(confirming(action, whole(DATA)))
    assert "sent a web page in place of the file ('Drive - Virus scan warning')" in refusal(
        published(server), tmp_path
    )
    assert server.requests == [0]


def test_a_page_that_asks_again_and_again_is_given_up(tmp_path: Path, serve: Serve) -> None:
    server = serve(
        lambda request: request.reply(200, PAGE.format(action="/again").encode(), Content_Type="text/html")
    )
    assert "web page" in refusal(published(server), tmp_path)
    assert server.requests == [0, 0]


def test_a_page_is_known_by_its_beginning(tmp_path: Path, serve: Serve) -> None:
    server = serve(
        without_ranges(b"\n<!doctype HTML><title>Not\nfound</title>", Content_Type="application/x")
    )
    assert "sent a web page in place of the file ('Not found')" in refusal(unchecked(server), tmp_path)
    assert len(server.requests) == 1


def test_a_page_after_a_long_comment_is_known(tmp_path: Path, serve: Serve) -> None:
    page = b"\xef\xbb\xbf<!--" + b" license" * 100 + b"--><html><title>Sign in</title></html>"
    server = serve(without_ranges(page, Content_Type="application/octet-stream"))
    for file in (unchecked(server), published(server)):
        assert "sent a web page in place of the file ('Sign in')" in refusal(file, tmp_path)


def test_a_file_that_nothing_is_known_of_comes_whole(tmp_path: Path, serve: Serve) -> None:
    server = serve(whole(DATA))
    assert fetch(unchecked(server), tmp_path) == DATA
    endless = serve(without_ranges(DATA, Content_Length=None))
    assert "states no length" in refusal(unchecked(endless), tmp_path / "no")


def tagged(data: bytes, tag: str, after: int | None = None) -> Answer:
    """Answers as servers do that name the content of a file, and break off if told to."""

    def answer(request: Handler) -> None:
        begin = request.begin if request.headers.get("If-Range", tag) == tag else 0
        rest = data[begin:] if after is None else data[begin : begin + after]
        partial = {"Content_Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"} if begin else {}
        length = {"Content_Length": len(data) - begin, "ETag": tag}
        request.reply(206 if begin else 200, rest, **length, **partial)

    return answer


def test_a_file_without_checksum_goes_on_while_its_server_has_the_same(tmp_path: Path, serve: Serve) -> None:
    server = serve(tagged(DATA, '"1"', 100_000), tagged(DATA, '"1"'))
    assert fetch(unchecked(server), tmp_path) == DATA
    assert server.requests == [0, 100_000]
    other = serve(tagged(WRONG, '"1"', 100_000), tagged(DATA, '"2"'))
    assert fetch(unchecked(other), tmp_path / "changed") == DATA
    assert other.requests == [0, 100_000]


def test_a_file_without_checksum_goes_on_in_a_later_call(tmp_path: Path, serve: Serve) -> None:
    server = serve(tagged(DATA, '"1"', 100_000), failing(404))
    with pytest.raises(DownloadError):
        download(unchecked(server), tmp_path, QUICK)
    assert (tmp_path / "set.tar.part").read_bytes() == DATA[:100_000]
    server.answers[:] = [tagged(DATA, '"1"')]
    assert fetch(unchecked(server), tmp_path) == DATA
    assert server.requests == [0, 100_000, 100_000]


@pytest.mark.parametrize("note", [None, b"{", b'{"url": "http://other/", "version": "x"}', b"[" * 100_000])
def test_a_part_of_unknown_origin_is_not_used_without_a_checksum(
    tmp_path: Path, serve: Serve, note: bytes | None
) -> None:
    (tmp_path / "set.tar.part").write_bytes(WRONG[:1000])
    if note is not None:
        (tmp_path / "set.tar.part.json").write_bytes(note)
    server = serve(dropping(DATA, 250_000), whole(DATA))
    assert fetch(unchecked(server), tmp_path) == DATA
    assert server.requests == [0, 0]


def test_another_server_starts_over_without_a_checksum(tmp_path: Path, serve: Serve) -> None:
    servers = [serve(tagged(WRONG, '"1"', 100_000), failing(404)), serve(tagged(DATA, '"1"'))]
    assert fetch(unchecked(*servers), tmp_path) == DATA
    assert [server.requests for server in servers] == [[0, 100_000], [0]]


def test_a_server_that_always_breaks_off_is_given_up_without_a_checksum(tmp_path: Path, serve: Serve) -> None:
    server = serve(dropping(DATA, 250_000))
    assert "connection" in refusal(unchecked(server), tmp_path)
    assert len(server.requests) == 1 + QUICK.failures


def test_a_slow_server_is_waited_for(tmp_path: Path, serve: Serve) -> None:
    def slow(request: Handler) -> None:
        request.reply(200, DATA[:1000], Content_Length=len(DATA))
        for begin in range(1000, len(DATA), 60_000):
            time.sleep(0.01)
            request.wfile.write(DATA[begin : begin + 60_000])

    server = serve(slow)
    assert fetch(published(server), tmp_path) == DATA
    assert server.requests == [0]


def test_without_a_network_each_server_is_tried_once_and_named_once(tmp_path: Path, capsys) -> None:
    urls = tuple(f"http://127.0.0.1:{port}/set.tar" for port in (9, 11))  # nothing listens there
    text = refusal(published()._replace(urls=urls), tmp_path)
    assert text.count("the connection failed") == 2
    assert capsys.readouterr().err == ""


def test_the_note_of_a_part_is_not_written_through_a_link(tmp_path: Path, serve: Serve) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "set.tar.part.json").symlink_to(victim)
    server = serve(tagged(DATA, '"1"', 100_000), failing(404))
    with pytest.raises(DownloadError):
        download(unchecked(server), tmp_path / "new", QUICK)
    assert victim.read_bytes() == b"mine"
    note = json.loads((tmp_path / "new" / "set.tar.part.json").read_text())
    assert note == {"url": server.url, "version": '"1"'}
