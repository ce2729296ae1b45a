"""Counts which keys the labels of a source have."""

from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.config.sections import LabelOrientation
from fcn.data.image_header import open_header, reading_header, stored_size
from fcn.data.orientation import is_sideways, orientation_of, upright
from fcn.data.voc import listed
from fcn.errors import DataError
from fcn.labels.importing.readers.mask_size import MismatchError
from fcn.labels.importing.source import VOID_KEY, Item, Keys
from fcn.system.parallel import map_on_all_cores
from fcn.system.progress import track

_MOST_KEYS = 1_000_000


class Counted(NamedTuple):
    """A usable item and its keys.

    Python allocates small arrays apart from large ones. Those of NumPy, between arrays of pixels, would keep
    0.1 MB of each image from being used again.

    Attributes:
        item: The item.
        keys: Those that occur, sorted, without void.
        pixels: How many pixels each of them has.
    """

    item: Item
    keys: "array[int]"
    pixels: "array[int]"


class Tally(NamedTuple):
    """The keys of a source.

    Attributes:
        counted: The items that can be used.
        skipped: Why others cannot.
        pixels: Number of pixels of each key, without void.
        images: Number of images in which it occurs.
        total: Number of all pixels, void among them.
    """

    counted: list[Counted]
    skipped: list[str]
    pixels: Counter[int]
    images: Counter[int]
    total: int


def count_keys(items: Sequence[Item], fit: str, label_orientation: LabelOrientation = "upright") -> Tally:
    """Reads the labels of all items once and counts their keys.

    Args:
        items: The items.
        fit: One of `fcn.labels.choices.FITS`.
        label_orientation: What the labels are of.

    Raises:
        DataError: If items cannot be used, and `fit` is not "skip"; or there are too many different keys.
    """

    def count(item: Item) -> tuple[Counted, int] | DataError:
        try:
            keys = read_fitting_keys(item, fit, label_orientation)
        except DataError as error:
            return error
        values, pixels = np.unique(keys, return_counts=True)
        kept = values != VOID_KEY
        return Counted(item, _compact(values[kept]), _compact(pixels[kept])), keys.size

    counted: list[Counted] = []
    skipped: list[str] = []
    pixels: Counter[int] = Counter()
    images: Counter[int] = Counter()
    total, resized = 0, False
    results = map_on_all_cores(count, items)
    for result in track(results, "reading labels", len(items), lines=True):
        if isinstance(result, DataError):
            skipped.append(str(result))
            resized = resized or isinstance(result, MismatchError)
            continue
        one, size = result
        counted.append(one)
        total += size
        for key, number in zip(one.keys, one.pixels, strict=True):
            pixels[key] += number
            images[key] += 1
        if len(pixels) > _MOST_KEYS:
            raise DataError(
                f"{one.item.where}: is among masks with more than {_MOST_KEYS:,} different colors. Expected "
                "one for each class. Masks that were saved as JPEG or resized cannot be imported exactly."
            )
    if skipped and fit != "skip":
        remedy = "Nothing was written. Correct them, or leave them out with --fit skip"
        raise DataError(
            *listed(skipped, "more"),
            f"{remedy}{'; --fit pad and --fit resize change masks' if resized else ''}.",
        )
    if not counted:
        raise DataError(*listed(skipped, "more"), "No image is left. Nothing was written.")
    return Tally(counted, skipped, pixels, images, total)


def _compact(values: npt.NDArray[Any]) -> "array[int]":
    return array("q", values.astype(np.int64).tobytes())


def read_fitting_keys(item: Item, fit: str, label_orientation: LabelOrientation = "upright") -> Keys:
    """Returns the keys of an item, `int32[H, W]`, of the size of its upright image.

    Args:
        item: The item.
        fit: "pad" adds void below and on the right, or cuts; "resize" takes the nearest pixels; others refuse
            a mask of another size.
        label_orientation: Whether the labels are of the upright image; those of stored pixels are turned.

    Raises:
        DataError: If the image or its labels cannot be read, or do not fit.
    """
    stored, orientation = _read_header(item)
    turned = stored[::-1] if is_sideways(orientation) else stored
    size, other = (stored, turned) if label_orientation == "stored" else (turned, stored)
    try:
        keys = item.read_keys(size)
    except MismatchError as error:
        if size != other and error.keys.shape == other:
            raise DataError(_explain_turned(item, size, other, orientation, label_orientation)) from error
        keys = _fit(error, fit, size)
    return upright(keys, orientation) if label_orientation == "stored" else keys


def _fit(error: MismatchError, fit: str, size: tuple[int, int]) -> Keys:
    """Returns the keys of a mask of another size as `fit` wants them, or raises the error."""
    if fit == "pad":
        padded = np.full(size, VOID_KEY, np.int32)
        height, width = (min(pair) for pair in zip(size, error.keys.shape, strict=True))
        padded[:height, :width] = error.keys[:height, :width]
        return padded
    if fit == "resize":
        rows, columns = (
            ((np.arange(new) + 0.5) * old / new).astype(np.intp)
            for new, old in zip(size, error.keys.shape, strict=True)
        )
        return error.keys[np.ix_(rows, columns)]
    raise error


def _explain_turned(
    item: Item,
    size: tuple[int, int],
    other: tuple[int, int],
    orientation: int,
    label_orientation: LabelOrientation,
) -> str:
    """Returns why a mask is refused that fits its image only the other way up.

    To pad or resize it would move everything.
    """
    if label_orientation == "stored":
        return (
            f"{item.where}: fits its upright image, {other[0]}x{other[1]} (height x width), and not its "
            f"stored pixels, {size[0]}x{size[1]}, which EXIF orientation {orientation} turns. Leave out "
            "--label-orientation stored, or import the masks that differ by themselves."
        )
    return (
        f"{item.where}: fits the stored pixels of its image, {other[0]}x{other[1]} (height x width), which "
        f"EXIF orientation {orientation} turns to {size[0]}x{size[1]}. If all masks are of stored pixels: "
        "--label-orientation stored. If not, turn the mask as the image is turned."
    )


def _read_header(item: Item) -> tuple[tuple[int, int], int]:
    """Returns (height, width) of the stored image of an item, and its orientation.

    Raises:
        DataError: If it is not an image, or may not be decoded.
    """
    if isinstance(item.image, bytes):
        header = open_header(item.image, item.where)
        return stored_size(header), orientation_of(header)
    with reading_header(item.image) as header:
        return stored_size(header), orientation_of(header)
