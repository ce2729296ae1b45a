"""The mistakes a user can make and mend.

Only the command line catches `FcnError`: it prints the message and exits with `exit_code`. A wrong
argument in the library's own calls stays a `ValueError`; a bug keeps its traceback.
"""


class FcnError(Exception):
    """Something the user can mend; the message names the file and the remedy."""

    exit_code = 2


class ConfigError(FcnError):
    """A configuration that cannot be read or does not say what it should."""


class DataError(FcnError):
    """An image, label, list or data set that cannot be used as it is."""


class RunError(FcnError):
    """A run folder, checkpoint or exported model that cannot be used as it is."""


class OutputError(FcnError):
    """A place that cannot be written to."""


class BackendError(FcnError):
    """A backend that is not installed, or cannot do what was asked."""


class AddressError(FcnError):
    """An address at which no server can be."""


class QuantizationError(FcnError):
    """A net that loses more by fewer bits than it may."""


class VerificationError(FcnError):
    """An exported model that does not label as the net it was made from."""

    exit_code = 1


class PartialError(FcnError):
    """Part of the work was done and is kept; the rest failed and is listed."""

    exit_code = 1


class NonFiniteLossError(FcnError):
    """Training stopped because the loss was no longer a number."""

    exit_code = 1
