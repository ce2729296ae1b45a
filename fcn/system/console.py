"""Tables and other layouts on a terminal."""

from typing import Any

from rich.console import Console
from rich.text import Text

from fcn.system.text import printable


class TerminalConsole(Console):
    r"""Console that shows text as it is: without markup or emoji codes, and with control characters escaped.

    Rich makes every string of a table or line into its own text in `render_str`, before it measures it.
    Texts that are made elsewhere, as `rich.text.Text`, must be `printable` already.

    Args:
        options: As of `Console`.

    Example:
        >>> TerminalConsole(width=40).print("[b]a \x1b[31m")
        [b]a \x1b[31m
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Returns a string as Rich's text; line feeds stay."""
        return super().render_str("\n".join(map(printable, text.split("\n"))), **options)
