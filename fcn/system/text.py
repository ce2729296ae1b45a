"""Text from elsewhere, made safe to show: names of files, layers and classes, and what is in files.

Every line for a terminal goes through `printable`: `print_lines`, `print_notice` and
`fcn.system.console` see to that, and a test finds whatever prints in another way.
"""

import re
import sys
from typing import Any

from fcn.classes import CONTROL_CHARACTERS
from fcn.errors import at_words
from fcn.system.files import as_json

# A spreadsheet takes a cell for a formula if it begins so, also in full width, and some skip spaces. Where
# semicolons separate cells, one begins after each of them.
_FORMULA = re.compile(r"(^|[;\n])(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20])")


def printable(text: object) -> str:
    r"""Returns text in one line in which nothing controls a terminal; such characters are escaped.

    Example:
        >>> print(printable("red \x1b[31m, two\nlines"))
        red \x1b[31m, two\nlines
    """
    shown = str(text)
    return shown if shown.isprintable() else CONTROL_CHARACTERS.sub(_escape, shown)


def escape_undecodable(text: str) -> str:
    r"""Returns text with the undecodable bytes of paths written as `\udc..`, so that it is valid Unicode.

    Example:
        >>> print(escape_undecodable("gr\udcfcn.jpg"))
        gr\udcfcn.jpg
    """
    return text.encode("utf-8", "backslashreplace").decode()


def csv_text(text: str, mark: str = "'") -> str:
    r"""Returns text for a cell of a CSV file that a spreadsheet does not take for a formula.

    Control characters are escaped, but for line feeds, which the writer of the file puts in quotes. Lone
    surrogates stay: `errors="surrogateescape"` writes them as the bytes that a name has in its folder.

    Args:
        text: Text from elsewhere. Numbers stay as they are: do not pass them.
        mark: What is put in front of the first character of a formula. `./` leaves a relative path the same.

    Example:
        >>> csv_text("=1+1"), csv_text("-1.jpg", "./"), csv_text("a=b"), csv_text("\t=1")
        ("'=1+1", './-1.jpg', 'a=b', '\\t=1')
    """
    if not text.isprintable():
        text = CONTROL_CHARACTERS.sub(_escape_in_cell, text)
    return _FORMULA.sub(rf"\g<1>{mark}", text)


def counted(count: int, one: str, many: str | None = None) -> str:
    """Returns a count, and what is counted in the number that it needs.

    Args:
        count: The count.
        one: What follows 1.
        many: What follows other numbers; None for `one` with an "s".

    Example:
        >>> counted(1, "image"), counted(2000, "image"), counted(1, "box has no name", "boxes have no name")
        ('1 image', '2,000 images', '1 box has no name')
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def in_notebook() -> bool:
    """Returns whether the code runs in the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def print_lines(*lines: object) -> None:
    """Prints lines on stdout, each as `printable` returns it."""
    print("\n".join(map(printable, lines)))


def print_notice(*lines: object) -> None:
    """Prints lines on stderr, each as `printable` returns it.

    In a notebook they are printed on stdout, since stderr is red there, which only lines that begin with
    "Warning:" should be. They are broken at words: cells break long lines wherever they end.
    """
    shown = [printable(line) for line in lines]
    if not in_notebook():
        print("\n".join(shown), file=sys.stderr)
        return
    for line in shown:
        # Each stream has a buffer of its own there: without flushing, lines change places.
        stream = sys.stderr if line.startswith("Warning:") else sys.stdout
        print(at_words(line), file=stream, flush=True)


def print_step(line: str) -> None:
    """Prints that a long step starts; not in a notebook, where each cell shows that it runs.

    Args:
        line: A sentence that begins with a present participle.
    """
    if not in_notebook():
        print_notice(line)


def print_json(value: Any) -> None:
    """Prints a document as indented JSON, in ASCII, on stdout."""
    print(as_json(value))


def _escape_in_cell(match: re.Match[str]) -> str:
    is_surrogate = match[0] >= "\ud800"
    return match[0] if is_surrogate or match[0] == "\n" else _escape(match)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
