"""Reads a Markdown page with an independent parser."""

from itertools import pairwise

from markdown_it import MarkdownIt


def parse(page: str) -> list:
    return MarkdownIt("commonmark").enable("table").parse(page)


def sections(page: str) -> dict[str, list]:
    """Returns the tokens of a page by the headings above them."""
    found: dict[str, list] = {}
    tokens = parse(page)
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            found[tokens[index + 1].content] = []
        elif found:
            found[list(found)[-1]].append(token)
    return found


def rows(tokens: list) -> list[list[str]]:
    """Returns the rows of all tables."""
    shown: list[list[str]] = []
    for before, token in pairwise(tokens):
        if before.type == "tr_open":
            shown.append([])
        if before.type in ("th_open", "td_open"):
            children = token.children or []
            assert {child.type for child in children} <= {"text", "code_inline", "text_special"}
            shown[-1].append("".join(child.content for child in children))
    return shown


def text(tokens: list) -> str:
    """Returns all that is written there, without marks."""
    inline = [token for token in tokens if token.type == "inline"]
    return "\n".join("".join(child.content for child in token.children) for token in inline)
