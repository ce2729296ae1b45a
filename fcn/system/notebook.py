"""Showing progress and tables in a notebook, through IPython's own display."""

import html
import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from rich.progress import Progress, TaskID

from fcn.errors import NOTEBOOK_WIDTH
from fcn.system.console import TerminalConsole
from fcn.system.text import printable

_REFRESH_SECONDS = 0.25


class NotebookOutput:
    """A part of a cell's output that can be replaced."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, text: str, page: str | None = None) -> None:
        """Shows new content in place of what is there.

        Args:
            text: For where there is no HTML; control characters must be escaped already.
            page: The same as HTML, if that looks different.
        """
        content = {"text/plain": text} | ({} if page is None else {"text/html": page})
        if self._handle is None:
            display = import_module("IPython.display").display
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


class NotebookProgress(Progress):
    """Progress bars in the output of a cell, which are gone when they end.

    Args:
        columns: As of `rich.progress.Progress`.
    """

    def __init__(self, *columns: Any) -> None:
        # Without colors and cursor, since the text is taken out of the console.
        self._text = TerminalConsole(width=NOTEBOOK_WIDTH, force_terminal=False, force_jupyter=False)
        super().__init__(*columns, console=self._text, auto_refresh=False)
        self._output: NotebookOutput | None = None
        self._shown = 0.0

    def start(self) -> None:
        """Opens a place for the bars."""
        self._output, self._shown = NotebookOutput(), 0.0

    def stop(self) -> None:
        """Removes the bars."""
        if self._output is not None:
            self._output.show("")
        self._output = None

    def refresh(self) -> None:
        """Shows the bars as they are now, at most four times a second."""
        now = time.monotonic()
        if self._output is None or now - self._shown < _REFRESH_SECONDS:
            return
        self._shown = now
        with self._text.capture() as captured:
            self._text.print(self.get_renderable())
        self._output.show(captured.get().rstrip())

    def update(self, task_id: TaskID, *arguments: Any, **options: Any) -> None:
        """Changes a bar and shows it."""
        super().update(task_id, *arguments, **options)
        self.refresh()

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Moves a bar and shows it."""
        super().advance(task_id, advance)
        self.refresh()


class NotebookTable:
    """A table in the output of a cell, which grows by rows.

    Args:
        columns: Titles of the columns.
    """

    def __init__(self, *columns: str) -> None:
        self._rows: list[Sequence[str]] = [columns]
        self._output = NotebookOutput()

    def add(self, *cells: str) -> None:
        """Adds a row, and shows the table in its place."""
        self._rows.append(cells)
        self._output.show(text_table(self._rows), html_table(self._rows))


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Returns a table as aligned text.

    Args:
        rows: The titles of the columns, and the cells of each row.

    Example:
        >>> print(text_table([("step", "loss"), ("100", "0.5")]))
        step  loss
        100   0.5
    """
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in shown]
    return "\n".join(line.rstrip() for line in lines)


def html_lines(lines: Sequence[str]) -> str:
    """Returns lines of text as HTML; all text is escaped.

    Args:
        lines: The lines.

    Example:
        >>> html_lines(["a < b"])
        '<div>a &lt; b</div>'
    """
    return "".join(f"<div>{html.escape(printable(line))}</div>" for line in lines)


def html_table(rows: Sequence[Sequence[str]]) -> str:
    """Returns a table as HTML; all text is escaped.

    Args:
        rows: The titles of the columns, and the cells of each row.

    Example:
        >>> html_table([("step",), ("<1>",)])
        '<table><tr><th>step</th></tr><tr><td>&lt;1&gt;</td></tr></table>'
    """
    cells = [
        "".join(f"<{kind}>{html.escape(printable(cell))}</{kind}>" for cell in row)
        for kind, row in zip(["th", *["td"] * (len(rows) - 1)], rows, strict=True)
    ]
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"
