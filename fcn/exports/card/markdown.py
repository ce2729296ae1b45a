"""Pieces of Markdown that show a text as it is, whatever is in it."""

import re
from collections.abc import Iterable, Sequence

from fcn.system.text import printable

# ASCII punctuation that can mark something up inside of a line (CommonMark, 2.4).
_MARKS = re.compile(r"([\\`*_\[\]<>&|~#!])")


class Code(str):
    """Text that is already marked up as code."""


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""Returns a table; what is in its cells is shown as it is, or as code where it came from `code`.

    Example:
        >>> print(table(["class", "IoU"], [["cat|dog", "50%"]]))
        | class | IoU |
        |---|---|
        | cat\|dog | 50% |
    """
    return "\n".join([_row(columns), "|" + "---|" * len(columns), *map(_row, rows)])


def code(text: object) -> Code:
    """Returns text as code, in which nothing is marked up.

    Example:
        >>> code("uint8[B]")
        '`uint8[B]`'
    """
    return Code(f"`{_line(text).replace('`', chr(39))}`")


def block(language: str, text: str) -> str:
    """Returns lines of code."""
    return f"```{language}\n{text}\n```"


def plain(text: object) -> str:
    r"""Returns text, in one line, that is shown as it is; control characters are escaped.

    Example:
        >>> plain("a_b")
        'a\\_b'
    """
    return _MARKS.sub(r"\\\1", _line(text))


def _line(text: object) -> str:
    """Returns text with single spaces between its words, and with control characters escaped."""
    return printable(" ".join(str(text).split()))


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(value: object) -> str:
    # A table ends a cell at every bar, inside of code too.
    return value.replace("|", "\\|") if isinstance(value, Code) else plain(value)
