"""The most doubted images and regions of many, with memory for those alone."""

import heapq
import math
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from fcn.classes import Classes
from fcn.data.image_io import Pixels
from fcn.data.leaks import ExampleDigest, digest_example
from fcn.data.voc import Example, read_example
from fcn.inference.engines.engine import Floats, temperatures_of
from fcn.suspects.score import Comparison, Place, Region, compare_label, find_regions, label_quality
from fcn.system.parallel import map_ahead

MOST_OF_AN_IMAGE = 5
"""Regions of one image that are ranked, so that one wrong label does not fill the whole list."""

T = TypeVar("T")


class PartEngine(Protocol):
    """An engine that computes an image part by part, as `fcn.inference.tiling.tiles.TiledEngine` does.

    Attributes:
        classes: The names and colors of the classes.
        bits: How many bits the values of image files of 16 bits use.
    """

    classes: Classes
    bits: int

    def score_parts(self, image: Pixels) -> Iterator[tuple[Place, Floats]]:
        """Yields the logits of the parts of an image `uint8[H, W, 3]`, and their places."""


class Net(NamedTuple):
    """A net and the images it is asked about.

    Attributes:
        path: Where it is.
        examples: The images, with their labels.
    """

    path: Path
    examples: Sequence[Example]


class SuspectImage(NamedTuple):
    """An image whose label is doubted.

    Attributes:
        example: The image.
        net: Index of the net that doubts it.
        quality: Quality of the label, from 0, doubted, to 1 (`fcn.suspects.score.label_quality`).
        pixels: Number of pixels where the net is sure of another class.
    """

    example: Example
    net: int
    quality: float
    pixels: int


class SuspectRegion(NamedTuple):
    """A region whose label is doubted.

    Attributes:
        example: Its image.
        net: Index of the net that doubts it.
        region: The region.
    """

    example: Example
    net: int
    region: Region


class Best(Generic[T]):
    """The highest of many items; memory for these alone.

    Args:
        most: How many to keep.

    Example:
        >>> best = Best(2)
        >>> for number in (3, 1, 2):
        ...     best.add(number, str(number))
        >>> best.ranked(), best.lowest
        (['3', '2'], 2)
    """

    def __init__(self, most: int) -> None:
        self._most, self._numbers = most, count()
        self._heap: list[tuple[float, int, T]] = []

    @property
    def lowest(self) -> float:
        """What an item must exceed to be kept; minus infinity as long as there is room."""
        return self._heap[0][0] if len(self._heap) == self._most else -math.inf

    def add(self, value: float, item: T) -> None:
        """Keeps an item if it is among the highest; of equal ones, those that came first."""
        entry = value, -next(self._numbers), item
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, entry)
        elif value > self._heap[0][0]:
            heapq.heapreplace(self._heap, entry)

    def ranked(self) -> list[T]:
        """Returns the items, the highest first."""
        return [item for *_, item in sorted(self._heap, reverse=True)]


class Ranking:
    """The images and regions that nets doubt most.

    Args:
        most: How many of each to keep.

    Attributes:
        num_images: Number of images so far.
        num_void: Number of those among them that have no labeled pixel.
    """

    def __init__(self, most: int) -> None:
        self._images: Best[SuspectImage] = Best(most)
        self._regions: Best[SuspectRegion] = Best(most)
        self.num_images = self.num_void = 0

    def add(self, example: Example, net: int, comparison: Comparison) -> None:
        """Ranks an image and its regions.

        Args:
            example: The image.
            net: Index of the net.
            comparison: What the net predicts.
        """
        self.num_images += 1
        quality = label_quality(comparison)
        if math.isnan(quality):
            self.num_void += 1
            return
        self._images.add(-quality, SuspectImage(example, net, quality, int(comparison.doubted().sum())))
        for region in find_regions(comparison, MOST_OF_AN_IMAGE, max(0.0, self._regions.lowest)):
            self._regions.add(region.doubt, SuspectRegion(example, net, region))

    def images(self) -> list[SuspectImage]:
        """Returns the images, the most doubted first."""
        return self._images.ranked()

    def regions(self) -> list[SuspectRegion]:
        """Returns the regions, the most doubted first."""
        return self._regions.ranked()


def compare_examples(
    engine: PartEngine, examples: Sequence[Example]
) -> Iterator[tuple[Example, Pixels, Comparison, ExampleDigest]]:
    """Yields each example with its pixels, its label beside what the net predicts, and its digests.

    Files are read a few images ahead; the net computes one at a time, in parts if it is large.

    Raises:
        DataError: If an image or label cannot be used.
        RunError: If an image is too large for the memory of the process.
    """
    num_classes, temperatures = len(engine.classes.names), temperatures_of(engine)

    def read(example: Example) -> tuple[Pixels, Pixels, ExampleDigest]:
        image, label = read_example(example._replace(bits=engine.bits), num_classes)
        return image, label, digest_example(image, label)

    for example, (image, label, digest) in zip(examples, map_ahead(read, examples), strict=True):
        compared = compare_label(label, engine.score_parts(image), temperatures)
        yield example, image, compared, digest
