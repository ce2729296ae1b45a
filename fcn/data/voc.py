"""Data sets in the folder layout of Pascal VOC, with VOC's classes or any others.

ROOT/JPEGImages/NAME.jpg               the image
ROOT/SegmentationClass/NAME.png        its label: a palette or gray PNG of class ids, 255 = void
ROOT/ImageSets/Segmentation/SPLIT.txt  the names in a split, one a line; after a tab, the folder of the
                                       image's label where that is not SegmentationClass
ROOT/labels.txt                        the class names, one a line; without it, VOC's 21 if the images are
                                       named as VOC's or the configuration says so
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fcn.classes import Classes
from fcn.config.sections import LabelOrientation
from fcn.data.class_names import find_names
from fcn.data.image_io import Pixels, check_label, read_image, read_label, read_palette
from fcn.data.label_orientation import check_size, turn_label
from fcn.data.pillow_decoding import MOST_BITS
from fcn.data.split_list import (
    IMAGES,
    SPLITS,
    Entry,
    Finder,
    read_entries,
)
from fcn.data.split_list import Example as Example
from fcn.errors import DataError, PlaceError
from fcn.system.files import is_there
from fcn.system.places import path_below
from fcn.system.remedies import as_started, set_keys

SHOWN = 20
"""Files of one kind that an error lists."""

_MADE_BY_SPLITS = {
    "train_aug": "from VOC's labels and those of SBD ({download})",
    "sbd_train": "from the labels of SBD ({download})",
}
"""Splits of recipes that Pascal VOC does not have, and what they are made of."""

# Two grays that differ by less look the same beside each other.
_SMALLEST_STEP = 8


def read_classes(
    root: Path,
    splits: Sequence[str] = (),
    configured: str | None = None,
    run_names: tuple[str, ...] | None = None,
) -> Classes:
    """Returns the classes of a data set: names from its class list, colors from there or from a label.

    Args:
        root: The folder that holds `JPEGImages`.
        splits: Names of the lists with the images; none for all lists.
        configured: `data.classes` of the configuration: "voc" or None.
        run_names: Class names of a run that is resumed, for a data set that has none.

    Raises:
        DataError: If there is no data set, the names of its classes are not known (see `find_names`), or the
            class list cannot be used (see `read_class_list`).
    """
    check_root(root)

    def images() -> list[str]:
        if splits:
            return [entry.name for split in splits for entry in _read_split(root, split)]
        return [entry.name for path in sorted((root / SPLITS).glob("*.txt")) for entry in read_entries(path)]

    names, colors = find_names(root, images, configured, run_names)
    # Overlays of two classes in one color look alike.
    if colors is not None and len({*colors}) == len(colors):
        return Classes(names, colors)
    palette = _find_palette(root)
    if palette is None or len(palette) < len(names) or not are_distinct(palette[: len(names)]):
        return Classes.named(names)
    return Classes.with_palette(names, palette)


def are_distinct(colors: npt.NDArray[np.uint8]) -> bool:
    """Returns whether colors differ visibly; those of a ramp of grays, `(1, 1, 1)` and so on, do not.

    Args:
        colors: `uint8[N, 3]`, RGB.

    Example:
        >>> are_distinct(np.array([[0, 0, 0], [255, 255, 255]], np.uint8))
        True
        >>> are_distinct(np.array([[0, 0, 0], [1, 1, 1]], np.uint8))
        False
    """
    values = colors.astype(int)
    gray = bool((values == values[:, :1]).all())
    return len(values) < 2 or not gray or bool(np.diff(np.sort(values[:, 0])).min() >= _SMALLEST_STEP)


def read_split(
    root: Path,
    split: str,
    label_orientation: LabelOrientation = "upright",
    bits: int = MOST_BITS,
    lists: Path | None = None,
) -> list[Example]:
    """Returns the examples of a split, in the order of its list.

    Args:
        root: The folder that holds `JPEGImages`.
        split: Name of a list in `ImageSets/Segmentation`, such as "train" or "val".
        label_orientation: What the labels are of.
        bits: How many bits the values of images of 16 bits use.
        lists: Folder of the list, as `fcn.runs.splits.find_lists` returns it; None for that of the data set.

    Raises:
        DataError: If the list is missing, empty or names something twice, or an image or label is missing.
    """
    examples, problems = find_examples(root, split, label_orientation, lists)
    if problems:
        raise DataError(*listed(problems, "more lines like these"))
    return [example._replace(bits=bits) for example in examples]


def find_examples(
    root: Path, split: str, label_orientation: LabelOrientation = "upright", lists: Path | None = None
) -> tuple[list[Example], list[str]]:
    """Returns the examples of a split that are there, and a message for each line without one.

    Args:
        root: The folder that holds `JPEGImages`.
        split: Name of a list.
        label_orientation: What the labels are of.
        lists: Folder of the list; None for that of the data set.

    Raises:
        DataError: If the list is missing, empty or names something twice.
        PlaceError: If a name leads out of the data set.
    """
    list_path, finder = (lists or root / SPLITS) / f"{split}.txt", Finder(root, label_orientation)
    examples: list[Example] = []
    problems = []
    for entry in _read_split(root, split, lists):
        try:
            examples.append(finder.find(entry, list_path))
        except PlaceError:
            raise
        except DataError as error:
            problems.append(str(error))
    counts = Counter(example.image_path for example in examples)
    twice = [path.name for path, count in counts.items() if count > 1]
    if twice and not problems:
        raise DataError(f"{list_path}: names an image twice: {', '.join(twice[:5])}. Keep one line for each.")
    return examples, problems


def listed(problems: Sequence[str], others: str) -> list[str]:
    """Returns the first of many lines, and one that counts the others.

    Args:
        problems: The lines.
        others: What the others are, for the last line.

    Example:
        >>> listed(["a"] * 21, "more")[-1]
        '... and 1 more'
    """
    more = [f"... and {len(problems) - SHOWN} {others}"] if len(problems) > SHOWN else []
    return [*problems[:SHOWN], *more]


def has_split(root: Path, split: str) -> bool:
    """Returns whether a data set has a list of this name.

    Args:
        root: The folder that holds `JPEGImages`.
        split: Name of a list.

    Raises:
        PlaceError: If the name leads out of the data set.
    """
    return is_there(path_below(root / SPLITS, f"{split}.txt", f"the split {split!r}"))


def read_names(root: Path, split: str, lists: Path | None = None) -> list[str]:
    """Returns the names in a split as `read_split` does, whether or not their images and labels are there.

    Args:
        root: The folder that holds `JPEGImages`.
        split: Name of a list.
        lists: Another folder with the list than that of the data set, as of `read_split`.

    Raises:
        DataError: If the list is missing, empty or names something twice.
    """
    return [entry.name for entry in _read_split(root, split, lists)]


def read_example(example: Example, num_classes: int) -> tuple[Pixels, Pixels]:
    """Reads an image and its label, both upright, and checks that they belong together.

    Returns:
        The image `uint8[H, W, 3]` RGB and the label `uint8[H, W]`, class ids, 255 = void.

    Raises:
        DataError: If one cannot be read, their sizes differ or the label holds other ids.
    """
    image, label = read_image(example.image_path, example.bits), read_example_label(example, num_classes)
    check_size(image, label, example.image_path, example.label_path, example.label_orientation)
    return image, label


def read_example_label(example: Example, num_classes: int) -> Pixels:
    """Reads the label of an example, upright; of its image, at most the orientation.

    Returns:
        `uint8[H, W]`, class ids, 255 = void.

    Raises:
        DataError: If it cannot be read or holds other ids.
    """
    label = read_label(example.label_path)
    if example.label_orientation == "stored":
        label = turn_label(label, example.image_path)
    check_label(label, num_classes, example.label_path)
    return label


def _find_palette(root: Path) -> npt.NDArray[np.uint8] | None:
    """Returns the colors of the first label that a list names; None without one."""
    finder = Finder(root)
    for path in sorted((root / SPLITS).glob("*.txt")):
        for entry in read_entries(path)[:1]:
            try:
                label_path = finder.find(entry, path).label_path
            except PlaceError:
                raise
            except DataError:
                continue
            return read_palette(label_path)
    return None


def check_root(root: Path) -> None:
    """Refuses a folder that is not a data set.

    Raises:
        DataError: If it holds no `JPEGImages`.
    """
    if is_there(root / IMAGES):
        return
    if not is_there(root):
        data = as_started("python -m fcn data")
        raise DataError(
            f"{root}: no such folder. Expected a data set in VOC layout, VOCdevkit/VOC2012 for example. "
            f"{data} download fetches published ones, {data} generate draws one, {data} import makes one of "
            "your labels."
        )
    near = (found.parent for depth in ("*", "*/*") for found in sorted(root.glob(f"{depth}/{IMAGES}")))
    inside = next(near, None)
    hint = f"Use {inside}." if inside else "Give the folder that holds it, VOCdevkit/VOC2012 for example."
    raise DataError(f"{root}: holds no folder {IMAGES}, so it is not a data set in VOC layout. {hint}")


def _read_split(root: Path, split: str, lists: Path | None = None) -> list[Entry]:
    check_root(root)
    path = path_below(lists or root / SPLITS, f"{split}.txt", f"the split {split!r}")
    if not is_there(path):
        known = ", ".join(sorted(found.stem for found in path.parent.glob("*.txt"))) or "none"
        if lists is not None:
            raise DataError(
                f"{path}: no such split. The run has: {known}. It lists there how it divided its images "
                "(data.val_share). Restore the list from a copy of the run."
            )
        if made := _MADE_BY_SPLITS.get(split):
            data = as_started("python -m fcn data")
            raise DataError(
                f"{path}: no such split. The data set has: {known}. {data} splits writes {split}, "
                f"{made.format(download=f'{data} download sbd')}. "
                f"Or use VOC's own split, train ({set_keys('data.train_split=train')})."
            )
        raise DataError(
            f"{path}: no such split. The data set has: {known}. A training can score a share of its images "
            f"in place of a split ({set_keys('data.val_share=0.2')}). To score others on the same images, "
            f"copy the lists of such a run, RUN/splits, to {path.parent}."
        )
    entries = read_entries(path)
    if not entries:
        raise DataError(f"{path}: the split is empty. List the names of its images there, one a line.")
    twice = [name for name, count in Counter(entry.name for entry in entries).items() if count > 1]
    if twice:
        raise DataError(f"{path}: names an image twice: {', '.join(twice[:5])}. Keep one line for each.")
    return entries
