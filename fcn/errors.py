"""Errors that a user can correct.

Only the command line catches `FcnError`: it prints the message and exits with `exit_code`. A notebook shows
the message and the caller's lines. A wrong argument in the library's own calls stays a `ValueError`; a bug
keeps its traceback.
"""

import textwrap
import traceback
from pathlib import Path

NOTEBOOK_WIDTH = 110
"""Characters in a line of a notebook's cell, in a window of usual width."""


def at_words(text: str) -> str:
    """Returns text with its lines broken at words, for a notebook, where cells break them wherever they end.

    Args:
        text: The text; lines that are short enough stay as they are.

    Example:
        >>> at_words("a" * 109 + " b").split()[1:]
        ['b']
    """
    return "\n".join(
        textwrap.fill(
            line, NOTEBOOK_WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
        if len(line) > NOTEBOOK_WIDTH
        else line
        for line in text.split("\n")
    )


class FcnError(Exception):
    r"""An error that the user can correct; the message names the file and the remedy.

    Args:
        line: The first line of the message. A line feed in a line comes from elsewhere, from a name for
            example, and is escaped where the message is printed.
        more: Its other lines.

    Example:
        >>> print(FcnError("2 files:", "  a.jpg: ..."))
        2 files:
          a.jpg: ...
    """

    exit_code = 2

    def __init__(self, line: str, *more: str) -> None:
        super().__init__(line, *more)

    def __str__(self) -> str:
        """Returns the message."""
        return "\n".join(map(str, self.args))

    def _render_traceback_(self) -> list[str]:
        """Returns the lines that IPython shows in a notebook in place of a traceback.

        The mistake is in the caller's code or files: its lines are shown, and none of this package.
        """
        package = str(Path(__file__).parent)
        shown = []
        for frame in traceback.extract_tb(self.__traceback__):
            if frame.filename.startswith(package):
                break
            if "IPython" not in Path(frame.filename).parts:
                place = "" if frame.name == "<module>" else f" of {frame.name}"
                shown.append(f"Line {frame.lineno}{place}: {frame.line}")
        return [*shown, *at_words(f"{type(self).__name__}: {self}").split("\n")]


class ConfigError(FcnError):
    """A configuration that cannot be read, or is not valid."""


class DataError(FcnError):
    """An image, label, list or data set that cannot be used as it is."""


class PlaceError(DataError):
    """A name from elsewhere that leads out of the folder that it must stay in."""


class DownloadError(DataError):
    """A published file that no server has, or a file that is not the published one."""


class RunError(FcnError):
    """A run folder, checkpoint or exported model that cannot be used as it is."""


class ImageTooLargeError(RunError):
    """An image that is too large for the memory with this model."""


class TrustError(RunError):
    """A model with a part that could run code or use files, which is loaded only if its maker is trusted."""


class OutputError(FcnError):
    """A file or folder that cannot be written."""


class BackendError(FcnError):
    """A backend that is not installed, or cannot do what was asked."""


class AddressError(FcnError):
    """An address on which a server cannot listen."""


class QuantizationError(FcnError):
    """A net that loses more accuracy by quantization than is allowed."""


class VerificationError(FcnError):
    """An exported model whose labels differ from those of its net."""

    exit_code = 1


class PartialError(FcnError):
    """Part of the work was done and is kept; the rest failed and is listed."""

    exit_code = 1


class NonFiniteLossError(FcnError):
    """Training stopped because the loss was no longer a number."""

    exit_code = 1
