"""Tests of the frame of pages."""

from html_page import Page

from fcn.report.document import html_document


def test_names_are_escaped_and_sections_are_in_order() -> None:
    text = html_document("<b>net", "inspection", "now", ["<p>one</p>", "<p>two</p>"], '<meta name="x">\n')
    page = Page(text)
    assert page.open == []
    assert page.text.split() == ["<b>net:", "inspection", "<b>net", "now", "one", "two"]
    assert text.count("&lt;b&gt;net") == 2
    assert {"name": "x"} in page.all("meta")
    assert any("default-src 'none'" in str(found.get("content")) for found in page.all("meta"))
