"""A page as a test sees it."""

import base64
from html.parser import HTMLParser
from io import BytesIO

from PIL import Image

VOID_ELEMENTS = {"meta", "img", "br", "input"}


class Page(HTMLParser):
    """A parsed page; fails at a tag that closes another than the one open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == tag]


def decoded(image: dict[str, str | None]) -> Image.Image:
    head, _, data = str(image["src"]).partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return Image.open(BytesIO(base64.b64decode(data, validate=True)))


HOSTILE_NAMES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></svg><iframe src=//a>",
    "<!-- <![CDATA[ ]]>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt; &#60;i&#62; &amp",
    "javascript:alert(1)//`",
)
"""Names that would be markup, a template or a part of an attribute if they were not escaped."""


def structure(page: Page) -> list[tuple[str, tuple[str, ...]]]:
    """Returns the elements of a page and their attributes, without what is in them."""
    return [(tag, tuple(attributes)) for tag, attributes in page.elements]
