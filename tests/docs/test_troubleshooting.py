"""The messages that the page on troubleshooting quotes are those of the code."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
QUOTES = re.findall(r"^- \*\*`(.*?)`\*\*", PAGE, re.MULTILINE)
LEAST_LETTERS = 10
"""Shorter words could be anywhere."""


def pieces(message: str) -> list[str]:
    """Returns the fixed words of a message: what is around that which differs."""
    return [piece.strip() for piece in message.split("…") if re.search(r"\w", piece)]


@cache
def texts() -> tuple[str, ...]:
    """Returns the texts of each file of the package, with … where a value is put in."""
    return tuple(
        "\n".join(_texts_of(ast.parse(path.read_text()))) for path in sorted(ROOT.glob("fcn/**/*.py"))
    )


def _texts_of(tree: ast.Module) -> list[str]:
    docstrings = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and _text(node.value)
    }
    found = [_text(node) for node in ast.walk(tree) if id(node) not in docstrings]
    return [" ".join(text.split()) for text in found if text]


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "…" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def exists(message: str) -> bool:
    """Returns whether one file has all fixed words of a message."""
    return any(all(piece in text for piece in pieces(message)) for text in texts())


@pytest.mark.parametrize("message", QUOTES)
def test_a_quoted_message_is_in_the_code(message: str) -> None:
    assert max(map(len, pieces(message))) >= LEAST_LETTERS
    assert exists(message)


def test_another_message_would_be_missed() -> None:
    assert exists("…: is a configuration, and no net yet. Train it first")
    assert not exists("…: is a configuration, and not a net. Train it first")
    assert not exists("the words … of no message at all")


def test_each_entry_is_said_once_and_says_what_to_do() -> None:
    assert len(QUOTES) == len(set(QUOTES)) > 50
    entries = re.split(r"^- ", PAGE, flags=re.MULTILINE)[1:]
    assert len(entries) == len(QUOTES)
    for entry in entries:
        _, _, remedy = entry.partition("\n  ")
        assert len(remedy.split()) >= 5, entry
