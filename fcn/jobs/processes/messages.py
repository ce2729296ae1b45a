"""The messages between a command and its worker processes, as pickles that only this package writes."""

from pathlib import Path
from typing import NamedTuple

from fcn.classes import Classes
from fcn.jobs.helpers import OpenPredictor
from fcn.jobs.reading import PixelOrder, ReadingLimits


class Request(NamedTuple):
    """The task of a worker process.

    Attributes:
        open_predictor: Opens the net that labels.
        output: Folder of the job.
        kinds: What it writes, some of `OUTPUTS`.
        order: Order of the pixels that are labeled.
        limits: Limits of an image that is read.
    """

    open_predictor: OpenPredictor
    output: Path
    kinds: tuple[str, ...]
    order: PixelOrder
    limits: ReadingLimits


class Ready(NamedTuple):
    """A worker has opened the net.

    Attributes:
        worker: Its name in the store.
        classes: The classes of its labels.
    """

    worker: str
    classes: Classes


class Progress(NamedTuple):
    """A worker has finished a batch.

    Attributes:
        labeled: The images and videos that it labeled, as their rows in the store.
        finished: Number of images that it labeled or that have failed.
    """

    labeled: tuple[int, ...]
    finished: int


class Notice(NamedTuple):
    """A worker has printed a line."""

    line: str


class Ended(NamedTuple):
    """A worker has ended; its last message.

    Attributes:
        error: Why; None if nothing is left to do.
    """

    error: Exception | None


Message = Ready | Progress | Notice | Ended
