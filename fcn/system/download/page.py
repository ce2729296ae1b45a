"""Web pages that servers send in place of a file; some ask whether the file is really wanted."""

import re
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

PAGE_BYTES = 1 << 18
"""Bytes to read of a page that came in place of a file."""

_BEGINNINGS = tuple(
    b"<" + tag
    for tag in (b"!doctype html", b"html", b"head", b"meta", b"title", b"script", b"style", b"body")
)
_LONGEST = max(map(len, _BEGINNINGS))
# What may come before: a byte order mark, blanks, comments and the declaration of XML.
_BEFORE = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s|<!--.*?-->|<\?.*?\?>)*", re.DOTALL)
# What Google Drive calls the form, and before 2024 the link, that confirm a download of a large file.
_FORM, _LINK = "download-form", "uc-download-link"
_HOSTS = (".google.com", ".googleusercontent.com")
_MOST_FIELDS = 20
_SHOWN = 80


class Page(NamedTuple):
    """A web page.

    Attributes:
        title: Its title, shortened; "" if it has none.
        address: The address that confirms a download, if it asks for that; else None.
    """

    title: str
    address: str | None


def is_page(head: bytes) -> bool:
    r"""Returns whether a file that begins with these bytes is a web page.

    Args:
        head: As many as may come before the page itself: some hundred are usual.

    Example:
        >>> is_page(b"\n<!DOCTYPE html><html>"), is_page(b"<!-- a --><html>"), is_page(b"\x89HDF\r\n")
        (True, True, False)
    """
    before = _BEFORE.match(head)
    begin = 0 if before is None else before.end()
    return head[begin : begin + _LONGEST].lower().startswith(_BEGINNINGS)


def read_page(content: bytes, url: str) -> Page:
    """Reads a web page that came in place of a file.

    Args:
        content: The page, or its beginning.
        url: Where it came from.

    Returns:
        An address on another host only if it is one of Google's, over TLS.

    Example:
        >>> form = b'<form id="download-form" action="/get"><input type="hidden" name="id" value="7"></form>'
        >>> read_page(b"<title>Wait</title>" + form, "http://host/file")
        Page(title='Wait', address='http://host/get?id=7')
    """
    reader = _Reader()
    reader.feed(content.decode("utf-8", "replace"))
    title = " ".join("".join(reader.title).split())[:_SHOWN]
    if reader.action is None:
        return Page(title, None)
    try:
        address = urljoin(url, reader.action)
        if reader.fields:
            address += ("&" if urlsplit(address).query else "?") + urlencode(reader.fields)
        return Page(title, address if _may_follow(address, url) else None)
    except ValueError:  # brackets that are no address
        return Page(title, None)


def _may_follow(address: str, url: str) -> bool:
    theirs, ours = urlsplit(address), urlsplit(url)
    if (theirs.scheme, theirs.netloc) == (ours.scheme, ours.netloc):
        return True
    is_google = (theirs.hostname or "").endswith(_HOSTS) and (ours.hostname or "").endswith(_HOSTS)
    return theirs.scheme == "https" and is_google


class _Reader(HTMLParser):
    """Finds the title of a page, and the form or link that confirms a download."""

    def __init__(self) -> None:
        super().__init__()
        self.title: list[str] = []
        self.action: str | None = None
        self.fields: list[tuple[str, str]] = []
        self._in_title = self._in_form = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes a form or link that confirms, and the fields of that form."""
        values = {name: value or "" for name, value in attrs}
        self._in_title = tag == "title" and not self.title
        if tag == "form":
            self._in_form = values.get("id") == _FORM and self.action is None
            self.action = values.get("action") if self._in_form else self.action
        elif tag == "a" and values.get("id") == _LINK and self.action is None:
            self.action = values.get("href")
        elif tag == "input" and self._in_form and values.get("name") and len(self.fields) < _MOST_FIELDS:
            self.fields.append((values["name"], values.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        """Notes the end of a form or title."""
        self._in_title = False
        self._in_form = self._in_form and tag != "form"

    def handle_data(self, data: str) -> None:
        """Notes the text of the title."""
        if self._in_title:
            self.title.append(data)
