"""Finds images and their labels: in a data set in VOC layout, or in a folder of labels that `infer` wrote."""

import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from fcn.data.image_header import IMAGE_SUFFIXES
from fcn.data.split_list import SPLITS
from fcn.data.voc import read_split
from fcn.errors import DataError
from fcn.labels.importing.folders import find_files, find_images, name_below
from fcn.labels.importing.split_lists import in_order
from fcn.outputs.render import SUFFIXES
from fcn.system.text import counted

_SHOWN = 5


class Labeled(NamedTuple):
    """An image and its label.

    Attributes:
        name: Path without suffix, relative to the source, with "/"; every one has another.
        image: The image.
        label: Its label, a PNG of class ids.
        split: Name of its split; None where there are no splits.
    """

    name: str
    image: Path
    label: Path
    split: str | None = None


FindImage = Callable[[str], Path | None]
"""Returns the image with the name of a label; None if it is not known."""


def labeled_in_root(root: Path, split: str | None) -> list[Labeled]:
    """Returns the images of a data set in VOC layout, sorted by name.

    An image in several splits is in the first of train, val, test, and others by name.

    Args:
        root: The data set.
        split: The split to take; None for all.

    Raises:
        DataError: If a split cannot be read, or an image or a label is missing.
    """
    known = in_order(path.stem for path in (root / SPLITS).glob("*.txt"))
    splits = known if split is None else [split]
    if not splits:
        raise DataError(f"{root / SPLITS}: holds no split. Expected lists of names, such as train.txt.")
    found: dict[str, Labeled] = {}
    for name in splits:
        for example in read_split(root, name):
            found.setdefault(
                example.name, Labeled(example.name, example.image_path, example.label_path, name)
            )
    return [found[name] for name in sorted(found)]


def labeled_in_folder(folder: Path, find_image: FindImage) -> list[Labeled]:
    """Returns the images for the labels in a folder, at any depth.

    Raises:
        DataError: If there are no labels, or an image is missing.
    """
    labels = [path for path in find_files(folder, (".png",)) if not _is_uncertainty(path)]
    if not labels:
        raise DataError(
            f"{folder}: is neither a data set in VOC layout nor a folder of label PNGs. Give a folder that "
            "holds JPEGImages and SegmentationClass, or the output of infer with its labels."
        )
    found: list[Labeled] = []
    missing: list[Path] = []
    for label in labels:
        name = name_below(folder, label)
        image = find_image(name)
        if image is None:
            missing.append(label)
        else:
            found.append(Labeled(name, image, label))
    if missing:
        raise DataError(
            f"{missing[0]}: has no image that is known ({len(missing)} of {counted(len(labels), 'label')} "
            f"{'has' if len(missing) == 1 else 'have'} none, "
            f"such as {', '.join(path.name for path in missing[:_SHOWN])}). Give the folder of the images "
            "with --images DIR; it has the same folders and names."
        )
    return found


def _is_uncertainty(path: Path) -> bool:
    """Returns whether a PNG lies beside a label, as how uncertain it is."""
    stem = path.name.removesuffix(SUFFIXES["uncertainty"])
    return stem != path.name and path.with_name(f"{stem}{SUFFIXES['palette']}").exists()


def images_of_job(places: Mapping[str, str]) -> FindImage:
    """Returns a finder of the images that a job has labeled.

    Args:
        places: Absolute path or URL of each, by the name of its label.
    """

    def find(name: str) -> Path | None:
        place = places.get(name)
        return Path(place) if place is not None and os.path.isfile(place) else None

    return find


def images_in_folder(folder: Path) -> FindImage:
    """Returns a finder of images by the names of their labels: NAME, or NAME.EXT where names clash.

    Raises:
        DataError: If there are no images.
    """
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in find_images(folder):
        by_name[name_below(folder, path)].append(path)
    if not by_name:
        raise DataError(f"--images {folder}: holds no images.")

    def find(name: str) -> Path | None:
        if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and (folder / name).is_file():
            return folder / name
        images = by_name.get(name, [])
        if len(images) > 1:
            listed = ", ".join(path.name for path in images)
            raise DataError(f"{folder / name}: expected one image of this name. There are {listed}.")
        return images[0] if images else None

    return find
