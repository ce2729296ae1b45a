"""The frame of every page: its head, its look, and that it fetches nothing."""

from collections.abc import Iterable
from html import escape

from fcn.report.style import STYLE

# Nothing may be fetched: the page says so to the browser, whatever the files shown in it contain.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def html_document(name: str, kind: str, subtitle: str, sections: Iterable[str], head: str = "") -> str:
    """Returns a page that opens offline.

    Args:
        name: What the page is about.
        kind: What the page is, behind the name in the title.
        subtitle: What stands below the name. HTML.
        sections: What is on the page. HTML.
        head: What else its head holds. HTML.

    Example:
        >>> "<h1>a &amp; b</h1>" in html_document("a & b", "report", "today", ["<p>all</p>"])
        True
    """
    body = "".join(f"<section>{section}</section>\n" for section in sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
{head}<title>{escape(name)}: {kind}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{escape(name)}</h1>
<p class="soft">{subtitle}</p>
</header>
<main>
{body}</main>
<footer></footer>
</body>
</html>
"""
