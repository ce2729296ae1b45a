"""Tests of credentials from the environment: each goes to its server, and to no other."""

from pathlib import Path
from typing import Any

import pytest
from file_server import Handler, serving

from fcn.errors import DataError
from fcn.jobs.sources.credentials import authorization_for
from fcn.jobs.sources.remote import find_remote, read_remote
from fcn.jobs.sources.web import WebLimits

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

QUICK = WebLimits(total_seconds=5, attempts=2, pause_seconds=0.01)


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FCN_HTTP_AUTHORIZATION", raising=False)
    monkeypatch.delenv("NETRC", raising=False)


@pytest.mark.parametrize(
    ("url", "value"),
    [
        ("https://images.test/a.jpg?b=c", "Bearer one"),
        ("https://images.test:443/", "Bearer one"),
        ("https://IMAGES.test/", "Bearer one"),
        ("http://images.test/", None),
        ("https://images.test:444/", None),
        ("https://images.test.evil.test/", None),
        ("https://evil.test/images.test", None),
        ("https://images.test@evil.test/", None),
        ("https://a.images.test/", None),
        ("http://inside.test:8080/", "Basic dHdv"),
        ("http://inside.test/", None),
        ("https://inside.test:8080/", None),
        ("s3://images.test/", None),
        ("https://[images.test/", None),
    ],
)
def test_a_line_is_for_one_origin(url: str, value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "images.test  Bearer one \n\nhttp://inside.test:8080/path Basic dHdv\n"
    monkeypatch.setenv("FCN_HTTP_AUTHORIZATION", lines)
    assert authorization_for(url) == value


@pytest.mark.parametrize("line", ["Bearer", "https://host", "ftp://host Bearer secret", "ok.test x\nsecret"])
def test_a_wrong_line_is_named_without_what_it_holds(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCN_HTTP_AUTHORIZATION", line)
    with pytest.raises(DataError, match=r"FCN_HTTP_AUTHORIZATION: line \d: expected an origin") as caught:
        read_remote("http://127.0.0.1:9/a.png", QUICK)
    assert "secret" not in str(caught.value)


def test_netrc_is_for_its_hosts_and_never_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(path))
    with pytest.raises(DataError, match=r"netrc: cannot be read \(No such file"):
        authorization_for("https://one.test/")
    path.write_text("machine one.test login me password pass\ndefault login me password secret\n")
    assert authorization_for("https://one.test/a") == "Basic bWU6cGFzcw=="
    assert authorization_for("https://two.test/a") is None
    path.write_text("machine one.test secret")
    with pytest.raises(DataError, match="is not a netrc file") as caught:
        authorization_for("https://one.test/")
    assert "secret" not in str(caught.value)


def test_credentials_are_sent_to_their_server_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, list[Any]] = {"first": [], "second": []}

    def first(request: Handler) -> None:
        seen["first"].append(request.headers.get("Authorization"))
        if request.path == "/away.png":
            request.reply(302, Location=target)
        elif request.path == "/here.png":
            request.reply(302, Location="/there.png")
        elif request.path == "/list/":
            request.reply(200, b'<a href="a.png">', Content_Type="text/html")
        else:
            request.reply(200, b"data")

    def second(request: Handler) -> None:
        seen["second"].append(request.headers.get("Authorization"))
        request.reply(200, b"data")

    with serving(first) as one, serving(second) as two:
        target = two.url
        origin = one.url.removesuffix("/file")
        monkeypatch.setenv("FCN_HTTP_AUTHORIZATION", f"{origin} Bearer abc")
        assert read_remote(f"{origin}/here.png", QUICK) == b"data"
        assert [found.path for found in find_remote(f"{origin}/list/", limits=QUICK)] == [
            f"{origin}/list/a.png"
        ]
        assert {*seen["first"]} == {"Bearer abc"}
        assert len(seen["first"]) == 4
        assert read_remote(f"{origin}/away.png", QUICK) == b"data"
        assert read_remote(two.url, QUICK) == b"data"
        assert seen["second"] == [None, None]
        # What the address itself has comes first.
        read_remote(f"{origin.replace('//', '//me:pass@')}/a.png", QUICK)
        assert seen["first"][-1] == "Basic bWU6cGFzcw=="


def test_a_server_that_refuses_names_the_variable() -> None:
    with (
        serving(lambda request: request.reply(401)) as server,
        pytest.raises(DataError, match=r"401 Unauthorized.*FCN_HTTP_AUTHORIZATION"),
    ):
        read_remote(f"{server.url}.png", QUICK)
