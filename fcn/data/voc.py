"""Data sets in the folder layout of Pascal VOC, with VOC's classes or any others.

ROOT/JPEGImages/NAME.jpg               the image
ROOT/SegmentationClass/NAME.png        its label: a palette or gray PNG of class ids, 255 = void
ROOT/ImageSets/Segmentation/SPLIT.txt  the names in a split, one a line; after a tab, the folder of the
                                       image's label where that is not SegmentationClass
ROOT/labels.txt                        the class names, one a line; without it, VOC's 21
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.classes import (
    MAX_CLASSES,
    MAX_CLASSES_FILE_BYTES,
    VOC_CLASS_NAMES,
    Classes,
    ClassNamesError,
    check_class_names,
)
from fcn.data.image_header import IMAGE_SUFFIXES
from fcn.data.image_io import (
    Pixels,
    check_label,
    read_file,
    read_image,
    read_label,
    read_palette,
)
from fcn.errors import DataError
from fcn.system.files import is_there
from fcn.system.parallel import map_on_all_cores
from fcn.system.places import path_below
from fcn.system.progress import track

IMAGES = "JPEGImages"
LABELS = "SegmentationClass"
SPLITS = "ImageSets/Segmentation"
CLASS_LIST = "labels.txt"


# VOC's own first, then any other a camera may write.
_SUFFIXES = (".jpg", *sorted(IMAGE_SUFFIXES - {".jpg"}), *sorted(suffix.upper() for suffix in IMAGE_SUFFIXES))


class Example(NamedTuple):
    """An image and its label, by path."""

    name: str
    image_path: Path
    label_path: Path


class ExampleDigest(NamedTuple):
    """Digests of the pixels of an example; equal pixels have equal ones, whatever their files are called.

    Attributes:
        image: 16 bytes, of the size and the pixels of the image.
        label: The same for the class ids of the label, whatever colors they are shown in.
    """

    image: bytes
    label: bytes


def read_classes(root: Path) -> Classes:
    """Returns the classes of a data set: names from its class list, colors from one of its labels.

    Args:
        root: The folder that holds `JPEGImages`.

    Raises:
        DataError: If there is no data set, or the class list is empty, too long, names a class twice or has
            a name that is too long or has control characters.
    """
    _check_root(root)
    names: tuple[str, ...] = VOC_CLASS_NAMES
    path = root / CLASS_LIST
    if is_there(path):
        names = _read_class_names(path)
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise DataError(f"{path}: names a class twice: {', '.join(twice)}. Keep one line for each class.")
    palette = _find_palette(root)
    if palette is None or len(palette) < len(names):
        return Classes.named(names)
    return Classes.with_palette(names, palette)


def _read_class_names(path: Path) -> tuple[str, ...]:
    size = path.stat().st_size
    if size > MAX_CLASSES_FILE_BYTES:
        raise DataError(
            f"{path}: expected the names of at most {MAX_CLASSES} classes. Received: {size} bytes. "
            "Correct the file: it has one name a line."
        )
    try:
        return check_class_names(read_lines(path))
    except ClassNamesError as error:
        raise DataError(f"{path}: {error} Correct the file: it has one name a line.") from error


def read_split(root: Path, split: str) -> list[Example]:
    """Returns the examples of a split, in the order of its list.

    Args:
        root: The folder that holds `JPEGImages`.
        split: Name of a list in `ImageSets/Segmentation`, such as "train" or "val".

    Raises:
        DataError: If the list is missing, empty or names something twice, or an image or label is missing.
    """
    entries = _read_split(root, split)
    return [_find_example(root, name, labels, root / SPLITS / f"{split}.txt") for name, labels in entries]


def read_names(root: Path, split: str) -> list[str]:
    """Returns the names in a split as `read_split` does, whether or not their images and labels are there.

    Raises:
        DataError: If the list is missing, empty or names something twice.
    """
    return [name for name, _ in _read_split(root, split)]


def check_disjoint(train: Sequence[Example], val: Sequence[Example], root: Path) -> None:
    """Refuses a validation split that holds training images: its scores would be too good.

    Raises:
        DataError: If an image is in both.
    """
    shared = sorted({example.name for example in train} & {example.name for example in val})
    if shared:
        raise DataError(
            f"{root / SPLITS}: the training and the validation split share images ({len(shared)}): "
            f"{', '.join(shared[:5])}{', ...' if len(shared) > 5 else ''}. Take them out of one of the lists."
        )


def check_copies(train: Sequence[Example], val: Sequence[Example], digests: Sequence[ExampleDigest]) -> None:
    """Refuses a validation split that holds a training image under another name.

    Args:
        train: The training split.
        val: The validation split.
        digests: The digests that `check_examples` returned for `[*train, *val]`.

    Raises:
        DataError: If an image of one has the same pixels as an image of the other.
    """
    known = dict(zip((digest.image for digest in digests), train, strict=False))
    pairs = [
        (known[digest.image], example)
        for example, digest in zip(val, digests[len(train) :], strict=True)
        if digest.image in known
    ]
    if pairs:
        listed = ", ".join(f"{one.image_path} and {other.image_path}" for one, other in pairs[:5])
        raise DataError(
            f"The training and the validation split share images under other names ({len(pairs)}): {listed}"
            f"{', ...' if len(pairs) > 5 else ''}. The pixels are the same: take one of each out of its list."
        )


def shared_images(train: Sequence[Example], scored: Sequence[Example]) -> list[Example]:
    """Returns the examples of `scored` whose image a net was trained on.

    Images of one name are compared by their pixels where their paths differ, since many data sets just count.

    Raises:
        DataError: If an image that has to be compared cannot be read.
    """
    paths = {example.name: example.image_path for example in train}
    candidates = [example for example in scored if example.name in paths]
    same = map_on_all_cores(lambda example: _same(paths[example.name], example.image_path), candidates)
    return [example for example, is_same in zip(candidates, same, strict=True) if is_same]


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve() or _digest(read_image(one)) == _digest(read_image(other))


def digest_images(examples: Sequence[Example]) -> list[bytes]:
    """Reads images, not labels, and returns the digest of each, as in `ExampleDigest`.

    Raises:
        DataError: If an image cannot be read.
    """
    return list(map_on_all_cores(lambda example: _digest(read_image(example.image_path)), examples))


def digest_example(image: Pixels, label: Pixels) -> ExampleDigest:
    """Returns the digests of an example that `read_example` has read."""
    # SHA-256 takes less than half the time on most processors. Images keep what checkpoints have had.
    ids = hashlib.sha256(repr(label.shape).encode())
    ids.update(label.ravel().data)
    return ExampleDigest(_digest(image), ids.digest()[:16])


def _digest(image: Pixels) -> bytes:
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=16)
    digest.update(image.ravel().data)  # mostly without a copy, and without Python's lock
    return digest.digest()


def read_example(example: Example, num_classes: int) -> tuple[Pixels, Pixels]:
    """Reads an image and its label and checks that they belong together.

    Returns:
        The image `uint8[H, W, 3]` RGB and the label `uint8[H, W]`, class ids, 255 = void.

    Raises:
        DataError: If one cannot be read, their sizes differ or the label holds other ids.
    """
    image, label = read_image(example.image_path), read_label(example.label_path)
    check_label(label, num_classes, example.label_path)
    if image.shape[:2] != label.shape:
        raise DataError(
            f"{example.label_path}: expected the size of {example.image_path.name}, "
            f"{image.shape[0]}x{image.shape[1]} (height x width). "
            f"Received: {label.shape[0]}x{label.shape[1]}. Make the label again at the image's own size."
        )
    return image, label


def check_examples(examples: Sequence[Example], num_classes: int) -> list[ExampleDigest]:
    """Reads every image and label once, so that a long run cannot stumble over one.

    Returns:
        The digests of each example.

    Raises:
        DataError: If any cannot be used; names the first ones and says how many there are.
    """

    def check(example: Example) -> ExampleDigest | str:
        try:
            image, label = read_example(example, num_classes)
        except DataError as error:
            return str(error)
        return digest_example(image, label)

    checked = list(track(map_on_all_cores(check, examples), "checking data", total=len(examples)))
    problems = [text for text in checked if isinstance(text, str)]
    if problems:
        more = [f"... and {len(problems) - 5} more files like these"] if len(problems) > 5 else []
        raise DataError(*problems[:5], *more)
    return [digest for digest in checked if not isinstance(digest, str)]


def _find_palette(root: Path) -> npt.NDArray[np.uint8] | None:
    """Returns the colors of the first label that a list names; None without one."""
    for path in sorted((root / SPLITS).glob("*.txt")):
        for name, labels in _read_entries(path)[:1]:
            if is_there(label_path := _label_path(root, name, labels, path)):
                return read_palette(label_path)
    return None


def _check_root(root: Path) -> None:
    if is_there(root / IMAGES):
        return
    near = (found.parent for depth in ("*", "*/*") for found in sorted(root.glob(f"{depth}/{IMAGES}")))
    inside = next(near, None)
    hint = f"Use {inside}." if inside else "Give the folder that holds it, VOCdevkit/VOC2012 for example."
    raise DataError(f"{root}: holds no folder {IMAGES}, so it is not a data set in VOC layout. {hint}")


def read_lines(path: Path) -> list[str]:
    """Returns the lines of a list that any editor may have written, without empty ones.

    Raises:
        DataError: If the file cannot be read or is not text.
    """
    try:
        text = read_file(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text. Save it as UTF-8.") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _read_split(root: Path, split: str) -> list[tuple[str, str]]:
    _check_root(root)
    path = path_below(root / SPLITS, f"{split}.txt", f"the split {split!r}")
    if not is_there(path):
        known = ", ".join(sorted(found.stem for found in path.parent.glob("*.txt"))) or "none"
        raise DataError(f"{path}: no such split. The data set has: {known}.")
    entries = _read_entries(path)
    if not entries:
        raise DataError(f"{path}: the split is empty. List the names of its images there, one a line.")
    twice = [name for name, count in Counter(name for name, _ in entries).items() if count > 1]
    if twice:
        raise DataError(f"{path}: names an image twice: {', '.join(twice[:5])}. Keep one line for each.")
    return entries


def _read_entries(path: Path) -> list[tuple[str, str]]:
    """Returns (name of the image, folder of its label) for each line of a list."""
    entries = []
    for line in read_lines(path):
        name, _, labels = line.partition("\t")
        entries.append((name.strip(), labels.strip() or LABELS))
    return entries


def _label_path(root: Path, name: str, labels: str, list_path: Path) -> Path:
    return path_below(path_below(root, labels, str(list_path)), f"{name}.png", str(list_path))


def _find_example(root: Path, name: str, labels: str, list_path: Path) -> Example:
    image_path = next(
        (
            path
            for suffix in _SUFFIXES
            if is_there(path := path_below(root / IMAGES, f"{name}{suffix}", str(list_path)))
        ),
        None,
    )
    if image_path is None:
        raise DataError(
            f"{root / IMAGES / name}.jpg: is missing, but {list_path} names it. "
            "Restore the image or take it out of the list."
        )
    label_path = _label_path(root, name, labels, list_path)
    if not is_there(label_path):
        raise DataError(
            f"{label_path}: is missing, but {list_path} names it. "
            "Restore the label or take it out of the list."
        )
    return Example(name, image_path, label_path)
