"""Reads folders of images and folders of masks: PNGs whose pixels are ids or colors.

That is labelme's export to VOC, CVAT's "Segmentation mask 1.1", Roboflow's masks, data sets in VOC layout, and
any two folders such as `images/` and `masks/`, also below `train/`, `valid/` and `test/`.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fcn.classes import voc_palette
from fcn.data.image_header import PILLOW_ERRORS, open_header
from fcn.data.image_io import read_file
from fcn.errors import DataError
from fcn.labels.importing.class_lists import find_classes
from fcn.labels.importing.folders import find_images
from fcn.labels.importing.source import (
    Item,
    Keys,
    Source,
    SourceClass,
    class_of_key,
    color_key,
    color_keys,
)
from fcn.labels.importing.split_lists import read_split_lists, split_of_folder
from fcn.system.parallel import map_on_all_cores

NAME = "masks"

_IMAGE_FOLDERS = frozenset(
    [
        "images",
        "image",
        "imgs",
        "img",
        "jpegimages",
        "photos",
        "photo",
        "originals",
        "original",
        "input",
        "inputs",
        "rgb",
        "leftimg8bit",
    ]
)
_MASK_FOLDERS = frozenset(
    [
        "masks",
        "mask",
        "labels",
        "label",
        "annotations",
        "annotation",
        "segmentationclass",
        "segmentationclasspng",
        "gt",
        "groundtruth",
        "ground_truth",
        "anns",
        "ann",
        "segmentation",
        "segmentations",
        "seg",
        "targets",
        "target",
        "label_images",
    ]
)
_MASK_ENDING = re.compile(r"(?i)[-_.](mask|masks|label|labels|seg|segmentation|gt|annotation)$")
_SAMPLE = 20
_VOID_ID, _VOID_COLOR = 255, (224, 224, 192)
_COLOR_MODES, _ID_MODES = frozenset({"RGB", "RGBA"}), frozenset({"L", "LA", "1", "P", "I;16", "I;16B", "I"})


class _Pair(NamedTuple):
    name: str
    image: Path
    mask: Path


class _Look(NamedTuple):
    """What the header of a mask says."""

    mode: str
    form: str
    palette: bytes | None


def recognizes(folder: Path) -> bool:
    """Returns whether a folder holds images and masks that belong together."""
    return bool(_find_pairs(folder)[0])


def read(folder: Path) -> Source:
    """Returns the images that have a mask.

    Raises:
        DataError: If there are none, or the masks cannot be understood.
    """
    pairs, notes = _find_pairs(folder)
    if not pairs:
        raise DataError(f"{folder}: holds no images with masks. Expected folders such as images/ and masks/.")
    looks = list(map_on_all_cores(lambda pair: _look(pair.mask), pairs))
    by_color = _means_colors(folder, pairs, looks)
    listed, list_notes = read_split_lists(folder, [pair.name for pair in pairs])
    items = [
        Item(
            pair.name,
            pair.image,
            partial(_read_keys, pair.mask, by_color),
            pair.mask,
            listed.get(pair.name, split_of_folder(pair.name)),
        )
        for pair in pairs
    ]
    classes = _declared_classes(folder, by_color)
    void = color_key(_VOID_COLOR) if by_color else _VOID_ID
    void_keys = frozenset({void}) - classes.keys()
    return Source(NAME, items, classes, class_of_key, void_keys, (*notes, *list_notes))


def _find_pairs(folder: Path) -> tuple[list[_Pair], tuple[str, ...]]:
    """Returns images and their masks, and sentences about files that have no counterpart."""
    files = find_images(folder)
    in_mask_folders = any(_side(folder, path) == "mask" for path in files)
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for path in files:
        side = _side(folder, path)
        if not in_mask_folders:
            side = "mask" if _MASK_ENDING.search(path.stem) else "image"
        if side is None:
            continue
        found = masks if side == "mask" else images
        name = _name(folder, path, side == "mask")
        if name in found:
            raise DataError(f"{path}: expected one {side} of this name. There is also {found[name]}.")
        found[name] = path
    pairs = [_Pair(name, images[name], masks[name]) for name in sorted(images.keys() & masks.keys())]
    notes = []
    for kind, one, other in (("images have no mask", images, masks), ("masks have no image", masks, images)):
        alone = sorted(one.keys() - other.keys())
        if alone:
            notes.append(f"{len(alone)} {kind} and were left out, such as {one[alone[0]]}")
    return pairs, tuple(notes)


def _side(folder: Path, path: Path) -> str | None:
    """Returns "image" or "mask" by the names of the folders that a file is in; None if they do not say."""
    for part in reversed(path.relative_to(folder).parts[:-1]):
        name = part.lower()
        if name in _MASK_FOLDERS:
            return "mask"
        if name in _IMAGE_FOLDERS:
            return "image"
    return None


def _name(folder: Path, path: Path, is_mask: bool) -> str:
    """Returns what an image and its mask have in common."""
    parts = [
        part
        for part in path.relative_to(folder).parts[:-1]
        if part.lower() not in _IMAGE_FOLDERS | _MASK_FOLDERS
    ]
    stem = _MASK_ENDING.sub("", path.stem) if is_mask else path.stem
    return "/".join([*parts, stem])


def _look(path: Path) -> _Look:
    with open_header(read_file(path), path) as image:
        return _Look(image.mode, str(image.format), image.palette.tobytes() if image.palette else None)


def _means_colors(folder: Path, pairs: Sequence[_Pair], looks: Sequence[_Look]) -> bool:
    """Returns whether masks hold colors, not ids: all masks of a set mean the same.

    Raises:
        DataError: If they cannot be understood together.
    """
    for pair, look in zip(pairs, looks, strict=True):
        if look.form == "JPEG":
            raise DataError(
                f"{pair.mask}: is a JPEG, which changes the values of pixels, so that no class is certain. "
                "Export the masks as PNG."
            )
        if look.mode not in _COLOR_MODES | _ID_MODES:
            raise DataError(f"{pair.mask}: expected a mask of ids or colors. Received: mode {look.mode!r}.")
    colored = [pair for pair, look in zip(pairs, looks, strict=True) if look.mode in _COLOR_MODES]
    palettes = Counter(look.palette for look in looks if look.palette is not None)
    if colored:
        gray = all(_is_gray(pair.mask) for pair in colored[:_SAMPLE])
        return not gray or bool(palettes)
    if len(palettes) > 1:
        if len(pairs) > palettes.total():
            raise DataError(
                f"{folder}: some masks are gray, and palettes of the others differ, so that ids and colors "
                "disagree. Export all masks in one way."
            )
        return True
    return False


def _is_gray(path: Path) -> bool:
    pixels = _pixels(path, "RGB")
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())


def _declared_classes(folder: Path, by_color: bool) -> dict[int, SourceClass]:
    """Returns the classes that a list in the folder names, by key."""
    listed = find_classes(folder)
    if not by_color:
        return {number: one for number, one in listed.items() if number >= 0}
    palette = voc_palette().tolist()
    return {
        color_key(one.color or tuple(palette[number])): SourceClass(
            one.name, one.color or tuple(palette[number])
        )
        for number, one in listed.items()
        if 0 <= number < 256 or one.color
    }


def _read_keys(path: Path, by_color: bool, size: tuple[int, int]) -> Keys:
    if by_color:
        keys = color_keys(_pixels(path, "RGB"))
    else:
        values = _pixels(path, None)
        keys = values[..., 0].astype(np.int32) if values.ndim == 3 else values.astype(np.int32)
    if keys.shape != size:
        raise MismatchError(path, keys, size)
    return keys


class MismatchError(DataError):
    """A mask with another size than its image.

    Attributes:
        keys: Its keys, `int32[H, W]`.
    """

    def __init__(self, path: Path, keys: Keys, size: tuple[int, int]) -> None:
        super().__init__(
            f"{path}: expected the size of its image, {size[0]}x{size[1]} (height x width). Received: "
            f"{keys.shape[0]}x{keys.shape[1]}."
        )
        self.keys = keys


def _pixels(path: Path, mode: str | None) -> np.ndarray:  # type: ignore[type-arg]
    try:
        with open_header(read_file(path), path) as image:
            return np.array(image.convert(mode) if mode else image)
    except PILLOW_ERRORS as error:
        raise DataError(f"{path}: is truncated or not a mask ({error}). Export it again.") from error
