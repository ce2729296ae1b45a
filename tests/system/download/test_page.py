from urllib.parse import parse_qs, urlsplit

import pytest

from fcn.system.download.page import is_page, read_page

LINK = b"""<html><title>Google Drive</title>
<a id="uc-download-link" href="/uc?export=download&amp;confirm=Ab1&amp;id=7">Download anyway</a></html>"""
FORM = b"""<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">
<input type="hidden" name="id" value="7"><input type="hidden" name="uuid" value="a b"></form>
<form><input name="other" value="1"></form>"""


def test_both_kinds_of_pages_of_google_drive_are_answered() -> None:
    link = read_page(LINK, "https://drive.google.com/uc?id=7")
    assert link.address == "https://drive.google.com/uc?export=download&confirm=Ab1&id=7"
    form = read_page(FORM, "https://drive.google.com/uc?id=7")
    assert form.address is not None
    parts = urlsplit(form.address)
    assert (parts.netloc, parse_qs(parts.query)) == (
        "drive.usercontent.google.com",
        {"id": ["7"], "uuid": ["a b"]},
    )


@pytest.mark.parametrize(
    "url", ["http://drive.google.com.example/uc", "https://mirror.example/file", "http://127.0.0.1/file"]
)
def test_only_pages_of_google_lead_to_its_hosts(url: str) -> None:
    assert read_page(FORM, url).address is None


@pytest.mark.parametrize(
    "action",
    ["http://drive.usercontent.google.com/x", "https://evilgoogle.com/x", "javascript:x", "https://[x"],
)
def test_a_page_of_google_leads_to_no_other_place(action: str) -> None:
    form = FORM.replace(b"https://drive.usercontent.google.com/download", action.encode())
    assert read_page(form, "https://drive.google.com/uc?id=7").address is None


def test_a_page_that_asks_nothing_has_a_title() -> None:
    assert (
        read_page(b"<title>Quota\n exceeded</title><p>x<title>two</title>", "http://a/").title
        == "Quota exceeded"
    )
    assert read_page(b"\xff<form><input", "http://a/") == ("", None)
    assert len(read_page(b"<title>" + b"x" * 1000, "http://a/").title) == 80


@pytest.mark.parametrize(
    "head",
    [
        b"<html",
        b"  \r\n<!DOCTYPE HTML PUBLIC",
        b"<HEAD>",
        b"\xef\xbb\xbf<html>",
        b"\xef\xbb\xbf\n<!-- saved from\n url -->\n<!---->\n<!doctype html>",
        b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN">',
        b"<title>Moved</title>",
    ],
)
def test_pages_are_known_by_their_beginning(head: bytes) -> None:
    assert is_page(head)
    assert not is_page(b"\x93NUMPY" + head)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"<",
        b"{",
        b"<?xml?><Error>",
        b"<svg",
        b"<!--",
        b"<!-- <html>",
        b"<?" * 100_000,
        b"<!--" * 100_000,
    ],
)
def test_other_text_is_no_page(head: bytes) -> None:
    assert not is_page(head)
