"""The files and routes of the page; other tests of this folder open it in a browser."""

import re
from contextlib import ExitStack
from html.parser import HTMLParser

import httpx
import pytest
from http_server import running_server
from pausable_engine import PausableEngine, flat

from fcn.data.image_io import decode_image, encode_png
from fcn.server.app import ServerSettings
from fcn.server.page.routes import PAGE, read_page


@pytest.fixture
def make(tmp_path):
    """Makes clients of servers."""
    with ExitStack() as open_ones:

        def make(**settings):
            server = open_ones.enter_context(
                running_server(tmp_path, PausableEngine(), ServerSettings(**settings))
            )
            return open_ones.enter_context(
                httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=20)
            )

        yield make


class Links(HTMLParser):
    """Collects the files that a page requests."""

    def __init__(self, text):
        super().__init__()
        self.found = set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found |= {value for name, value in attributes if name in ("src", "href")}


def test_all_that_the_page_asks_for_is_there(make):
    client = make()
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert '<meta name="models" content="fcn">' in page.text
    todo, done = Links(page.text).found, {}
    assert todo == {"page/colors.css", "page/page.css", "page/page.js", "page/icon.svg"}
    while todo:
        path = todo.pop()
        answer = done[path] = client.get(f"/{path}")
        assert answer.status_code == 200, path
        modules = re.findall(r'^import .* from "\./(.*)";$', answer.text, re.MULTILINE)
        todo |= {f"page/{name}" for name in modules} - done.keys()
    types = {path.rpartition(".")[2]: answer.headers["Content-Type"] for path, answer in done.items()}
    expected = {
        "js": "text/javascript; charset=utf-8",
        "css": "text/css; charset=utf-8",
        "svg": "image/svg+xml",
    }
    assert types == expected
    assert {path.removeprefix("page/") for path in done} | {"index.html"} == {
        "colors.css",
        *(path.name for path in PAGE.iterdir()),
    }


def test_no_file_of_the_page_names_another_host():
    for path in PAGE.iterdir():
        hosts = set(re.findall(r"https?://[^/\s\"'`]+", path.read_text()))
        assert hosts <= {"http://www.w3.org"}, path  # the name of a format


def test_the_page_may_only_ask_its_own_server(make):
    client = make()
    for path in ("/", "/page/page.js"):
        headers = client.get(path).headers
        policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'self'"
        assert policy["img-src"] == "'self' blob: data:"
        assert "script-src" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/page/page.js"])
def test_what_has_not_changed_is_not_sent_again(make, path):
    client = make()
    first = client.get(path)
    assert first.headers["Cache-Control"] == "no-cache"
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    changed = client.get(path, headers={"If-None-Match": '"of another version"'})
    assert changed.content == first.content
    assert client.head(path).headers["ETag"] == first.headers["ETag"]


def test_the_name_of_the_model_does_not_leave_its_place():
    text = read_page(['"><script>'])["index.html"].content.decode()
    assert 'content="&quot;&gt;&lt;script&gt;"' in text
    assert read_page(["a"])["index.html"].headers["ETag"] != read_page(["b"])["index.html"].headers["ETag"]


def test_no_script_turns_text_into_markup():
    """Names of classes, files and versions come from elsewhere; scripts show them as text."""
    scripts = {name: file.content.decode() for name, file in read_page(["a"]).items() if name.endswith(".js")}
    assert len(scripts) > 3
    for name, text in scripts.items():
        found = re.search(r"(inner|outer|Adjacent)HTML|document\.write|DOMParser|srcdoc|\beval\b", text)
        assert found is None, name


@pytest.mark.parametrize(
    "path",
    ["/page/nothing.js", "/page/", "/page/..%2f..%2fapp.py", "/examples/6", "/examples/-1", "/examples/x"],
)
def test_what_is_not_there_is_refused(make, path):
    answer = make().get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]


def test_examples_are_drawn(make):
    client = make()
    listed = client.get("/examples").json()
    assert listed["classes"][:2] == ["background", "ball"]
    assert listed["names"] == [f"Drawn scene {number}" for number in range(1, 7)]
    pictures = [client.get(f"/examples/{number}") for number in range(6)]
    assert {picture.headers["Content-Type"] for picture in pictures} == {"image/jpeg"}
    assert len({picture.content for picture in pictures}) == 6
    assert client.get("/examples/5").content == pictures[5].content


def test_examples_need_the_token_and_the_page_does_not(make, tmp_path):
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / "me.png").write_bytes(encode_png(flat(200, 4, 5)))
    client = make(token="secret", examples=folder)
    for path in ("/", "/page/page.js", "/page/page.css"):
        assert client.get(path).status_code == 200
    for path in ("/examples", "/examples/0"):
        assert client.get(path).status_code == 401
    headers = {"Authorization": "Bearer secret"}
    assert client.get("/examples", headers=headers).json() == {"classes": [], "names": ["me"]}
    assert decode_image(client.get("/examples/0", headers=headers).content).shape == (4, 5, 3)
    (folder / "me.png").unlink()
    assert client.get("/examples/0", headers=headers).status_code == 404
