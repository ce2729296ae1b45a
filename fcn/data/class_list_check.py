"""Lines in lists of classes that are no names: each would be a class, and move the ids of those after it."""

import re
from collections.abc import Sequence
from pathlib import Path

from fcn.data.class_table import ListLine, fields_of, refusal

_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?")
_KINDS = (
    (re.compile(r"<[!?/].*|<\w+\s[^<]*=.*"), "looks like XML or HTML"),
    (re.compile(r"[{}].*|.*\{"), "looks like a part of a program"),
    (re.compile(r"\|.*\|"), "looks like a row of a table in Markdown"),
    (re.compile(r"(names|classes|labels)\s*[:=].*", re.IGNORECASE), "begins a list in a file of settings"),
    (re.compile(r"version https://git-lfs.*"), "begins a pointer of Git LFS: fetch the file itself"),
)


def check_lines(path: Path, lines: Sequence[ListLine]) -> None:
    """Refuses a list of names with a line that is none.

    Args:
        path: The list.
        lines: Its lines, none of them in quotes.

    Raises:
        DataError: If a line looks like code or a row of a table; names it.
    """
    for line in lines:
        for pattern, problem in _KINDS:
            if pattern.fullmatch(line.text):
                raise refusal(path, line, f"{problem}. If it is a name, put all names in quotes")
    for separator in ",;\t":
        rows = [fields_of(line.text, separator) for line in lines]
        width = len(rows[0]) if len(rows) > 1 else 0
        if width < 2 or any(len(row) != width for row in rows):
            continue
        if any(all(_NUMBER.fullmatch(row[column]) for row in rows[1:]) for column in range(width)):
            problem = "begins a table with other columns than an id, a name and the three numbers of a color"
            raise refusal(path, lines[0], f"{problem}. If the lines are names, put all of them in quotes")
