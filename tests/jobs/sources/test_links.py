"""Tests of links: which of them are images, which are the same image, and how their labels are called."""

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from file_server import Handler, serving
from job_program import run_job
from photographs import files_below, write_image

from fcn.errors import DataError
from fcn.jobs.schema import STORE_NAME
from fcn.jobs.sources.links import is_url, path_of_url, query_name, stable_link, without_signatures
from fcn.jobs.sources.path_list import PathList

KINDS = ("palette", "areas", "polygons")


def listed(*links: str) -> PathList:
    return PathList(io.BytesIO("\n".join(links).encode()))


# Which image it is

AMAZON = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20260101%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=secret"
    "&X-Amz-Security-Token=secret"
)
SIGNED = {
    AMAZON: "",
    f"versionId=3&{AMAZON}": "versionId=3",
    f"{AMAZON.lower()}&response-content-type=image%2Fpng": "response-content-type=image%2Fpng",
    "AWSAccessKeyId=AKIA&Expires=1767225600&Signature=secret%3D&versionId=3": "versionId=3",
    "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=a&X-Goog-Date=2&X-Goog-Expires=9"
    "&X-Goog-SignedHeaders=host&generation=5&X-Goog-Signature=secret": "generation=5",
    "GoogleAccessId=a%40b&Expires=1767225600&Signature=secret": "",
    "page=2&Expires=1767225600&Signature=secret&Key-Pair-Id=K": "page=2",
    "Policy=secret&Signature=secret&Key-Pair-Id=K": "",
    "sv=2024-11-04&st=2026-01-01&se=2026-01-02&sr=b&sp=r&spr=https&sig=secret%3D&snapshot=9": "snapshot=9",
    "si=readers&sr=c&sig=secret": "",
    "skoid=1&sktid=2&skt=3&ske=4&sks=b&skv=5&sv=6&se=7&sr=b&sp=r&sig=secret&versionid=8": "versionid=8",
    "OSSAccessKeyId=a&Expires=1&Signature=secret&x-oss-process=image/resize,w_9": (
        "x-oss-process=image/resize,w_9"
    ),
    "x-oss-process=image/resize,w_9&x-oss-credential=a&x-oss-date=2&x-oss-expires=3"
    "&x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-signature=secret": "x-oss-process=image/resize,w_9",
    "q-sign-algorithm=sha1&q-ak=a&q-sign-time=1;2&q-key-time=1;2&q-header-list=&q-signature=secret": "",
    "URLPrefix=a&Expires=1&KeyName=k&Signature=secret": "",
    "id=7&hdnts=exp=1~hmac=secret": "id=7",
    "id=7&access_token=secret": "id=7",
}
UNSIGNED = (
    "http://host/a.jpg",
    "http://host/a.jpg?",
    "https://host/view?id=1&page=2&sig=9&expires=never&signature=Rembrandt&policy=open&token=7&v=1",
    "https://host:81/view?a&&b==c&q=x&q-type=oil&se=1&sv=2",
    "https://host?mail=a@b.c&x=1",
    "https://host/ex/a.jpg?ex=1&is=2&hm=3",
    "s3://bucket/a?X-Amz-Signature=1#2.jpg",
    "memory://a@b/c.jpg",
)


@pytest.mark.parametrize(("query", "kept"), SIGNED.items())
def test_what_signs_a_link_does_not_belong_to_it(query: str, kept: str) -> None:
    link = stable_link(f"https://host/dir/a.jpg?{query}")
    assert link == f"https://host/dir/a.jpg{'?' if kept else ''}{kept}"
    assert stable_link(link) == link
    assert "secret" not in without_signatures(f"404: 'https://host/dir/a.jpg?{query}', not found")


@pytest.mark.parametrize("link", UNSIGNED)
def test_all_else_does(link: str) -> None:
    assert stable_link(link) == link


@pytest.mark.parametrize(
    ("link", "stable"),
    [
        ("https://me:secret@host:81/a.jpg#secret", "https://host:81/a.jpg"),
        ("https://secret@host/a.jpg?x=@", "https://host/a.jpg?x=@"),
        ("ftp://me:secret@host/a#b.jpg", "ftp://host/a#b.jpg"),
        ("https://cdn.discordapp.com/1/2/a.png?ex=1&is=2&hm=3&", "https://cdn.discordapp.com/1/2/a.png"),
        (
            "https://raw.githubusercontent.com/a/b/c.png?token=secret",
            "https://raw.githubusercontent.com/a/b/c.png",
        ),
        (f"https://me@[::1]:81/a.jpg?{AMAZON}", "https://[::1]:81/a.jpg"),
        (f"zip://*.jpg::https://host/a.zip?{AMAZON}", "zip://*.jpg::https://host/a.zip"),
    ],
)
def test_secrets_of_other_kinds_do_not(link: str, stable: str) -> None:
    assert stable_link(link) == stable


def test_a_link_that_is_signed_again_is_the_same_image(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    data = write_image(tmp_path / "a.png").read_bytes()
    today = "Monday"

    def answer(request: Handler) -> None:
        signature = parse_qs(urlsplit(request.path).query).get("X-Amz-Signature")
        request.reply(200 if signature == [today] else 403, data if signature == [today] else b"expired")

    output = tmp_path / "out"
    with serving(answer) as server:
        names = ("a.png?v=1", "a.png?v=2", "b.png")

        def links() -> PathList:
            signed = f"X-Amz-Date=1&X-Amz-Signature={today}"
            return listed(*(f"{server.url}/{name}{'&' if '?' in name else '?'}{signed}" for name in names))

        result = run_job(output, links(), kinds=KINDS)
        assert (result.written, result.failed) == (3, ())
        before = files_below(output)
        today = "Tuesday"
        assert (run_job(output, links(), kinds=KINDS).written, files_below(output)) == (0, before)
        # A label was lost, so its image is read again: by the link of today.
        (output / "127.0.0.1" / "file" / "b.png").unlink()
        assert (run_job(output, links(), kinds=KINDS).written, files_below(output)) == (1, before)
        today, expired = "Wednesday", links()
        today = "Thursday"
        names = ("c.png",)
        result = run_job(output, expired, listed(f"{server.url}/d.png?X-Amz-Signature=Friday"), kinds=KINDS)
    ((path, reason),) = result.failed
    assert (str(path), "403" in reason) == (f"{server.url}/d.png", True)
    assert f"{server.url}/a.png?v=1," in (output / "areas.csv").read_text()
    for file in ("areas.csv", "coco.json"):
        assert "X-Amz" not in (output / file).read_text()
    assert not {name for name in before if "X-Amz" in name}
    assert "X-Amz" not in json.dumps([str(path) for path, _ in result.failed]) + reason


def test_a_job_of_before_keeps_its_labels_of_signed_links(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    data = write_image(tmp_path / "a.png").read_bytes()
    output = tmp_path / "out"
    with serving(lambda request: request.reply(200, data)) as server:
        link = f"{server.url}/a.png?v=1&AWSAccessKeyId=a&Expires=1&Signature="
        run_job(output, f"{link}Monday")
        with closing(sqlite3.connect(output / STORE_NAME)) as connection, connection:
            connection.execute("UPDATE images SET place = path")
        result = run_job(output, f"{link}Tuesday")
    assert (result.written, result.labeled) == (0, 1)
    assert files_below(output) == {"a.png", "a.overlay.jpg"}


# Judged by content


def pictures(folder: Path) -> dict[str, tuple[bytes, str]]:
    """What a server answers, by path and query."""
    jpeg, png = (write_image(folder / f"x{suffix}").read_bytes() for suffix in (".jpg", ".png"))
    page = b'<!DOCTYPE html><a href="/list/one.png">1</a> <a href="two.php">2</a>'
    return {
        "/view?id=1": (jpeg, "image/jpeg"),
        "/view?id=2": (png, "application/octet-stream"),
        "/200": (jpeg, "image/jpeg"),
        "/picture.php": (png, "text/html"),
        "/named.jpg": (page, "text/html"),
        "/list/": (page, "text/html"),
        "/list/one.png": (png, "image/png"),
        "/film": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "video/mp4"),
        "/text": (b'{"error": "no"}', "application/json"),
    }


def test_links_are_judged_by_content(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    answers = pictures(tmp_path)

    def answer(request: Handler) -> None:
        data, kind = answers.get(request.path, (b"lost", "text/plain"))
        request.reply(200 if request.path in answers else 404, data, Content_Type=kind)

    output = tmp_path / "out"
    with serving(answer) as server:
        host = server.url.removesuffix("/file")
        links = [f"{host}{path}" for path in (*answers, "/lost")]
        result = run_job(output, listed(*links), kinds=("palette",))
        requests = len(server.requests)
        again = run_job(output, listed(*links), kinds=("palette",))
        # What is known to be an image is not asked about again.
        assert len(server.requests) - requests < requests - 4
        for link in ("/200", "/view?id=1"):
            assert run_job(tmp_path / "single", f"{host}{link}", kinds=("palette",)).labeled
        with pytest.raises(DataError, match=r"/film: is a video .*Download it"):
            run_job(tmp_path / "film", f"{host}/film")
    assert (result.written, again.written) == (5, 0)
    names = files_below(output)
    plain = {name for name in names if "view" not in name}
    assert plain == {f"127.0.0.1/{name}.png" for name in ("200", "picture", "list/one")}
    assert sorted(name.rpartition("-")[0] for name in names - plain) == [
        "127.0.0.1/view_id=1",
        "127.0.0.1/view_id=2",
    ]
    reasons = {str(path).removeprefix(host): reason for path, reason in result.failed}
    assert {*reasons} == {"/named.jpg", "/film", "/text", "/lost"}
    assert "is a web page" in reasons["/named.jpg"]
    assert "is a video" in reasons["/film"]
    assert "no images found" in reasons["/text"]
    assert "404" in reasons["/lost"]
    assert files_below(tmp_path / "single") == {"200.png", "view.png"}


def test_a_known_image_whose_link_is_signed_again_is_not_asked_about(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    data = write_image(tmp_path / "a.png").read_bytes()
    with serving(lambda request: request.reply(200, data)) as server:
        for day, written in (("Monday", 1), ("Tuesday", 0)):
            before = len(server.requests)
            link = f"{server.url}?id=7&X-Amz-Date=1&X-Amz-Signature={day}"
            assert run_job(tmp_path / "out", listed(link), kinds=("palette",)).written == written
            assert (len(server.requests) > before) == bool(written)


def test_a_file_in_a_store_of_objects_needs_no_suffix(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/links/picture", write_image(tmp_path / "a.png").read_bytes())
    run_job(tmp_path / "out", listed("memory://links/picture"), kinds=("palette",))
    assert files_below(tmp_path / "out") == {"links/picture.png"}


# Names


def test_links_that_differ_only_in_the_query_do_not_clash(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    data = write_image(tmp_path / "a.png").read_bytes()
    queries = ["", "?id=1", "?id=2", "?id=1/2", "?id=1%2f2", f"?x={'y' * 300}", f"?x={'y' * 301}", "?../../z"]
    output = tmp_path / "out"
    with serving(lambda request: request.reply(200, data)) as server:
        first = run_job(output, listed(f"{server.url}.png?id=0"), kinds=("palette",))
        links = [f"{server.url}.png{query}" for query in queries]
        assert run_job(output, listed(*links), kinds=("palette",)).written == len(queries)
        found = files_below(output)
        for order in (links, links[::-1]):
            again = tmp_path / f"out{len(order[0])}"
            run_job(again, listed(*order), kinds=("palette",))
            # What was labeled alone has kept the short name.
            assert files_below(again) == found - {"127.0.0.1/file.png"}
    assert first.written == 1
    assert len(found) == len(queries) + 1
    assert all(name.startswith("127.0.0.1/file.") and len(name) < 120 for name in found)


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("http://host/a?b=c&d=e", "b=c_d=e"),
        ("http://host/a?../x", "x"),
        ("http://host/a?%00%1b[31m", "31m"),
        ("http://host/a?größe=1#b", "größe=1"),
        ("s3://bucket/a?b", ""),
    ],
)
def test_a_query_in_a_name_is_no_path(link: str, name: str) -> None:
    assert query_name(link) == name


def test_places_are_urls_or_paths() -> None:
    assert is_url("http://a")
    assert not is_url("/a:/b")
    assert path_of_url("https://a@b:1/c?d") == "b/c"
