"""A published net as the catalog describes it, and its license."""

from typing import TYPE_CHECKING, NamedTuple

from fcn.system.download.file import PublishedFile
from fcn.weights.published.sources import DILATED_SOURCES, SOURCES

if TYPE_CHECKING:  # it imports readers
    from fcn.weights.reader import Format

_FLOAT_BYTES = 4


class License(NamedTuple):
    """The terms of published weights.

    Attributes:
        name: What its publisher calls it.
        commercial_use: Whether that allows commercial use, in a few words.
        url: Where it is stated.
    """

    name: str
    commercial_use: str
    url: str


class PublishedNet(NamedTuple):
    """A net, or a classifier to start from, in one file.

    Attributes:
        title: What it is, for people.
        file: The file.
        format: Of the file.
        num_classes: How many classes it labels; None for a classifier of whole images.
        license: Its terms.
        score: The published score, with its unit and its data; "" if none is stated for this file.
        parameters: How many numbers are in the file, about; its size follows from them where none is stated.
        skip_scales: Factors of pool4 and pool3 that the code of the net has, and its file has not; None if
            there are none.
    """

    title: str
    file: PublishedFile
    format: "Format"
    num_classes: int | None
    license: License
    score: str = ""
    parameters: int = 0
    skip_scales: tuple[float, float] | None = None

    @property
    def is_classifier(self) -> bool:
        """Whether it labels no pixels, but a training can start from it."""
        return self.num_classes is None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of its classes in the order of their ids; none for a classifier."""
        sources = DILATED_SOURCES | SOURCES  # where both have a number, its classes are the same
        return () if self.num_classes is None else sources[self.num_classes].class_names

    @property
    def size(self) -> int:
        """Its size in bytes, by estimate if none is stated."""
        return self.file.size or _FLOAT_BYTES * self.parameters

    @property
    def size_text(self) -> str:
        """Its size, for people."""
        about = "" if self.file.size else "about "
        return f"{about}{self.size / 1e6:,.0f} MB"
