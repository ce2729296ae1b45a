"""Errors that a user can correct.

Only the command line catches `FcnError`: it prints the message and exits with `exit_code`. A wrong
argument in the library's own calls stays a `ValueError`; a bug keeps its traceback.
"""


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


class ConfigError(FcnError):
    """A configuration that cannot be read, or is not valid."""


class DataError(FcnError):
    """An image, label, list or data set that cannot be used as it is."""


class PlaceError(DataError):
    """A name from elsewhere that leads out of the folder that it must stay in."""


class DownloadError(DataError):
    """A published file that no server brings, or a file that is not the published one."""


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
