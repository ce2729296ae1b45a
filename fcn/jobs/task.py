"""One thing to label of a job, an image or a video, and what became of it."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from fcn.jobs.sources.links import is_url

Kind = Literal["image", "video"]
"""Kind of a task, given once, when its file or URL is found."""


class Task(NamedTuple):
    """An image or a video that a worker has claimed.

    Attributes:
        id: Its row in the store.
        place: Where it is: an absolute path, or a URL as `stable_link` returns it.
        path: Its path or URL as the user wrote it, a URL as it was given last.
        name: Path of its outputs without their suffixes, relative to the output folder.
        kind: What it is.
        pixels: How many it has by its header; None if that is unknown.
        hash: SHA-256 of the file that it was labeled from; None if that has changed, or there was none.
        files: Sizes of the outputs that it has already, by suffix. They stay if the hash is the same.
    """

    id: int
    place: str
    path: str
    name: str
    kind: Kind = "image"
    pixels: int | None = None
    hash: str | None = None
    files: Mapping[str, int] = {}

    @property
    def source(self) -> str:
        """Where to read it, an absolute path or a URL, which may be signed."""
        return self.path if is_url(self.place) else self.place

    @property
    def is_video(self) -> bool:
        """Whether it is a video."""
        return self.kind == "video"


class Outcome(NamedTuple):
    """The outcome of labeling an image or a video.

    Attributes:
        id: Its row.
        error: Why it could not be labeled; None if it was labeled.
        seconds: How long it took.
        size: Size of the file in bytes; None if it could not be read.
        changed: When the file was changed, in nanoseconds; None if that is unknown.
        hash: SHA-256 of the file.
        files: Sizes of the outputs, by suffix.
        record: What summaries are made from; JSON values.
    """

    id: int
    error: str | None = None
    seconds: float = 0
    size: int | None = None
    changed: int | None = None
    hash: str | None = None
    files: Mapping[str, int] = {}
    record: Mapping[str, Any] = {}
