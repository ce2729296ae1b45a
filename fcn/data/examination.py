"""One pass over all images and labels of a data set: what cannot be used, and the facts to judge a set by."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from fcn.classes import VOID, Color, count_ids
from fcn.data.depth import common_bits, used_bits
from fcn.data.fourth_band import seems_to_have_fourth_band
from fcn.data.image_io import Pixels, read_label, read_palette, read_size
from fcn.data.label_loss import looks_lossy
from fcn.data.label_orientation import read_label_size
from fcn.data.leaks import ExampleDigest, digest_example
from fcn.data.orientation import is_sideways, read_orientation
from fcn.data.split_list import Example
from fcn.data.voc import listed, read_example
from fcn.errors import DataError
from fcn.system.parallel import map_on_all_cores
from fcn.system.progress import track

ProblemKind = Literal["image or label", "size", "orientation"]
Look = Callable[[Example, Pixels], object]
"""Returns something small about an example, from its files and its label."""

# A thumbnail of 9 x 9 has 8 x 9 differences to the right and 9 x 8 downwards.
_THUMBNAIL = 9
_SMALLEST_CONTRAST = 12


class Problem(NamedTuple):
    """An image or label that cannot be used.

    Attributes:
        kind: "orientation" where image and label have the same size but for EXIF orientation, "size" where
            they differ in size otherwise, else "image or label".
        path: The file.
        text: The message, with the path in it.
        difference: Rows and columns that the label has more than the image; None for another kind.
    """

    kind: ProblemKind
    path: Path
    text: str
    difference: tuple[int, int] | None = None


class Facts(NamedTuple):
    """Facts about one example, by which a set is judged.

    Attributes:
        digest: Of the pixels of the image and the label.
        size: (height, width).
        pixels: Number of pixels by class id, void among them.
        colors: RGB of each class id that occurs; None for a label without a palette.
        is_blank: Whether the image has one color only.
        gradients: Signs of the differences of a thumbnail, 144 bits; None for an image without contrast.
        is_lossy: Whether the label seems to have been stored with loss.
        bits: How many bits the values of the image use; None without 16 bits a channel.
        common_bits: How many bits are enough for 99% of them; None without 16 bits a channel.
        has_fourth_band: Whether its transparency seems to be a band of its own, such as near infrared.
        seen: Result of the caller's `Look`.
    """

    digest: ExampleDigest
    size: tuple[int, int]
    pixels: dict[int, int]
    colors: dict[int, Color] | None
    is_blank: bool
    gradients: bytes | None
    is_lossy: bool
    bits: int | None
    common_bits: int | None
    has_fourth_band: bool
    seen: object = None


class Examination(NamedTuple):
    """The result of one pass over a data set.

    Attributes:
        examples: What was read.
        facts: Of each example; None for one that cannot be used.
        problems: What cannot be used, in the order of the examples.
    """

    examples: Sequence[Example]
    facts: list[Facts | None]
    problems: list[Problem]

    def usable_facts(self) -> list[Facts]:
        """Returns the facts of each example.

        Raises:
            DataError: If any cannot be used; names the first ones and says how many there are.
        """
        if self.problems:
            raise DataError(*listed([one.text for one in self.problems], "more files like these"))
        return [facts for facts in self.facts if facts is not None]


def examine_examples(examples: Sequence[Example], num_classes: int, look: Look | None = None) -> Examination:
    """Reads every image and label once, on all cores.

    Args:
        examples: What to read.
        num_classes: How many classes the labels may hold.
        look: What else to learn from each example; it runs in other threads.
    """
    read = partial(_examine, num_classes=num_classes, look=look)
    found = list(track(map_on_all_cores(read, examples), "checking data", len(examples), lines=True))
    return Examination(
        examples,
        [one if isinstance(one, Facts) else None for one in found],
        [one for one in found if isinstance(one, Problem)],
    )


def blank_images(facts: Iterable[Facts | None]) -> set[bytes]:
    """Returns the digests of images of one color, which are equal but not copies."""
    return {one.digest.image for one in facts if one is not None and one.is_blank}


def class_pixels(facts: Sequence[Facts], num_classes: int) -> npt.NDArray[np.int64]:
    """Returns how many pixels of each class the label of each example has.

    Args:
        facts: Of the examples.
        num_classes: How many classes there are.

    Returns:
        `int64[examples, num_classes]`; void is left out.
    """
    pixels = np.zeros((len(facts), num_classes), np.int64)
    for row, one in zip(pixels, facts, strict=True):
        for index, count in one.pixels.items():
            if index != VOID:
                row[index] = count
    return pixels


def check_examples(examples: Sequence[Example], num_classes: int) -> list[ExampleDigest]:
    """Reads every image and label once, so that a long run cannot stumble over one.

    Returns:
        The digests of each example.

    Raises:
        DataError: If any cannot be used; names the first ones and says how many there are.
    """
    return [facts.digest for facts in facts_of_all(examples, num_classes)]


def facts_of_all(examples: Sequence[Example], num_classes: int) -> list[Facts]:
    """Reads every image and label once, and returns the facts of each example.

    Raises:
        DataError: As `check_examples` does.
    """
    return examine_examples(examples, num_classes).usable_facts()


def _examine(example: Example, num_classes: int, look: Look | None) -> Facts | Problem:
    try:
        image, label = read_example(example, num_classes)
        bits = used_bits(example.image_path, image, example.bits)
    except DataError as error:
        return _problem(example, str(error))
    counts = count_ids(label)
    ids = np.flatnonzero(counts).tolist()
    return Facts(
        digest_example(image, label),
        (image.shape[0], image.shape[1]),
        {index: int(counts[index]) for index in ids},
        _colors(example.label_path, ids),
        bool((image == image[:1, :1]).all()),
        _gradients(image),
        looks_lossy(label),
        bits,
        None if bits is None else common_bits(image, example.bits),
        seems_to_have_fourth_band(example.image_path),
        look and look(example, label),
    )


def _problem(example: Example, text: str) -> Problem:
    path = example.label_path if text.startswith(f"{example.label_path}:") else example.image_path
    try:
        image = read_size(example.image_path)
        label = read_label_size(example.label_path, example.image_path, example.label_orientation)
        orientation = read_orientation(example.image_path)
    except DataError:
        return Problem("image or label", path, text)
    if image == label:
        return Problem("image or label", path, text)
    if image == label[::-1] and is_sideways(orientation):
        return Problem("orientation", path, text)
    return Problem("size", path, text, (label[0] - image[0], label[1] - image[1]))


def _colors(path: Path, ids: Sequence[int]) -> dict[int, Color] | None:
    palette = read_palette(path)
    if palette is None:
        return None
    rows = palette.tolist()
    return {index: (*rows[index],) for index in ids if index < len(rows) and index != VOID}


def _gradients(image: Pixels) -> bytes | None:
    """Returns which neighbors in a thumbnail are brighter, which hardly changes when an image is saved again.

    A "difference hash" (dHash), in both directions.
    """
    height, width = image.shape[:2]
    small = cv2.resize(
        image,
        (_THUMBNAIL, _THUMBNAIL),
        interpolation=cv2.INTER_AREA if min(height, width) > 9 else cv2.INTER_LINEAR,
    )
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.int16)
    if int(np.ptp(gray)) < _SMALLEST_CONTRAST:
        return None
    right, down = gray[:, 1:] > gray[:, :-1], gray[1:] > gray[:-1]
    return np.packbits(np.concatenate([right.ravel(), down.ravel()])).tobytes()


def check_masks(examples: Sequence[Example]) -> None:
    """Refuses a set of black-and-white masks, before it is scored.

    Usually the first label tells that it is none. A label that cannot be read is left for the reader of the
    examples to report.

    Raises:
        DataError: If all labels together hold only 0 and 255.
    """
    ids: set[int] = set()
    for found in map_on_all_cores(_ids, examples):
        ids |= found
        if ids - {0, VOID}:
            return
    if ids == {0, VOID}:
        raise DataError(describe_masks(examples[0].label_path, len(examples)))


def describe_masks(path: Path, count: int) -> str:
    """Returns the message about a set of black-and-white masks.

    Args:
        path: One of the labels.
        count: How many there are.
    """
    return (
        f"{path}: holds only 0 and {VOID}, as do all {count} labels together, like black-and-white masks; "
        f"{VOID} means void here, so nothing could be learned from them. Write class ids (1 for the object) "
        f"in place of {VOID}."
    )


def _ids(example: Example) -> set[int]:
    try:
        return {*np.flatnonzero(count_ids(read_label(example.label_path))).tolist()}
    except DataError:
        return {-1}
