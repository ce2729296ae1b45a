"""The interface of a logger of another project, in plain values."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

Outcome = Literal["finished", "stopped", "failed"]
PROJECT = "fcn"
"""Name of the project, or experiment, that runs belong to unless the library's own variable names one."""


class Beginning(NamedTuple):
    """A training that starts or is resumed, as a logger sees it.

    Attributes:
        name: Of the run.
        folder: Where the logger may write, in the run folder.
        config: The configuration, with "section.key" for each value.
        id: What the library calls the run, from an earlier session; None for a new run.
        place: Where the library kept it, if that is on this machine; None if that is not known.
        pid: Process of the training.
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    id: str | None
    place: str | None
    pid: int


class OpenRun(NamedTuple):
    """A run that a logger has opened.

    Attributes:
        id: What the library calls the run; kept, so that a resumed training goes on under it.
        watch: Where to see it, for people.
        place: Where the library keeps it, if that is on this machine.
        notes: Sentences that the user should read.
    """

    id: str
    watch: str
    place: str | None = None
    notes: Sequence[str] = ()


class RunLogger(Protocol):
    """One run in a library. Each method may raise whatever the library raises."""

    def open(self, beginning: Beginning) -> OpenRun:
        """Starts a run, or goes on with the one that has the id."""

    def log_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Logs numbers, all finite, by name: "training/loss"."""

    def log_images(self, step: int, images: Mapping[str, Path]) -> None:
        """Logs PNG files by name: "predictions/NAME"."""

    def log_results(self, step: int, scores: Mapping[str, float], files: Mapping[str, Path]) -> None:
        """Logs the scores of the best checkpoint, by name, and the files of the run by their place in it."""

    def close(self, outcome: Outcome) -> None:
        """Ends the run."""
