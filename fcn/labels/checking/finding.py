"""Something about a data set that people should know before they train."""

from typing import NamedTuple


class Finding(NamedTuple):
    """Something about a data set that is refused or suspicious.

    Attributes:
        kind: What it is, in a few words; the same for all data sets.
        is_refused: Whether a training refuses it; else it is a warning.
        text: A sentence with numbers, and the remedy.
        files: All messages about single files, or all files, that belong to it.
    """

    kind: str
    is_refused: bool
    text: str
    files: tuple[str, ...] = ()
