"""Finds images and the masks that belong to them, by the names of folders and files."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from fcn.data.image_header import IMAGE_SUFFIXES
from fcn.errors import DataError
from fcn.labels.importing.folders import find_files, leave_out_further_forms
from fcn.labels.importing.readers.id_array import ARRAY_SUFFIX

IMAGE, MASK = "image", "mask"

_IMAGE_FOLDER = re.compile(r"images?|imgs?|jpegimages|photos?|originals?|inputs?|rgb|leftimg8bit")
_MASK_FOLDER = re.compile(
    r"masks?|labels?|label_images|annotations?|annot|anns?|segmentationclass(?:png|npy)?|segmentations?|seg|"
    r"gt|ground_?truth|targets?"
)
_SPLIT = r"train(?:ing)?|val(?:id(?:ation)?)?|test(?:ing)?"
# train_images, masks-val, trainannot, img_dir: a kind of folder with a split or a filling word.
_FOLDER = re.compile(
    rf"(?P<before>(?:{_SPLIT})(?=[-_ ]?[a-z]))?[-_ ]?(?P<kind>.+?)(?P<after>[-_ ](?:{_SPLIT}))?"
)
_FILLING = re.compile(r"[-_ ](?:dir|png|folder)$")
_MASK_ENDING = re.compile(r"(?i)[-_.](?:mask|masks|label|labels|seg|segmentation|gt|annotation)$")
_MASK_BEGINNING = re.compile(r"(?i)^masks?[-_.]")
_IMAGE_ENDING = re.compile(r"(?i)[-_.](?:image|img|sat|rgb|photo)$")
_IMAGE_BEGINNING = re.compile(r"(?i)^(?:image|img)[-_.]")


class Pair(NamedTuple):
    """An image and its mask.

    Attributes:
        name: Path of the image without suffix, relative to the source, without `images/` and the like.
        image: The image.
        mask: The mask.
    """

    name: str
    image: Path
    mask: Path


class Files(NamedTuple):
    """The files of a source.

    Attributes:
        pairs: Images with their masks, by name.
        images: Images without a mask.
        masks: Masks without an image.
        others: Images in folders that hold neither.
    """

    pairs: list[Pair]
    images: list[Path]
    masks: list[Path]
    others: list[Path]


def find_pairs(folder: Path) -> Files:
    """Returns images and their masks.

    Raises:
        DataError: If a folder cannot be read, or two images or two masks have one name.
    """
    files = leave_out_further_forms(find_files(folder, (*IMAGE_SUFFIXES, ARRAY_SUFFIX)))
    sides = [_side(folder, path) for path in files]
    if MASK not in sides:
        by_ending = any(_MASK_ENDING.search(path.stem) for path in files)
        mark = _MASK_ENDING if by_ending else _MASK_BEGINNING
        sides = [MASK if mark.search(path.stem) else IMAGE for path in files]
    elif IMAGE not in sides:
        sides = [side or IMAGE for side in sides]
    images = {
        path: _name(folder, path)
        for path, side in zip(files, sides, strict=True)
        if side == IMAGE and path.suffix.lower() != ARRAY_SUFFIX
    }
    masks = {path: _name(folder, path) for path, side in zip(files, sides, strict=True) if side == MASK}
    if masks:
        _check_unique(images)
    by_name = _masks_by_name(masks)
    pairs = _join(images, by_name)
    used = {path for pair in pairs for path in (pair.image, pair.mask)}
    return Files(
        sorted(pairs),
        [path for path in images if path not in used],
        [path for path in dict.fromkeys(by_name.values()) if path not in used],
        [path for path, side in zip(files, sides, strict=True) if side is None],
    )


def find_unmarked(paths: Iterable[Path]) -> tuple[Path, Path] | None:
    """Returns two files of one folder that differ in their suffixes alone, as an image and its mask may."""
    seen: dict[Path, Path] = {}
    for path in paths:
        other = seen.setdefault(path.with_suffix(""), path)
        if other != path:
            return other, path
    return None


def _side(folder: Path, path: Path) -> str | None:
    """Returns `IMAGE` or `MASK` by the names of the folders that a file is in; None if they do not say."""
    for part in reversed(path.relative_to(folder).parts[:-1]):
        kind = _kind(part)[0]
        if kind is not None:
            return kind
    return None


def _kind(part: str) -> tuple[str | None, str]:
    """Returns what a folder holds, and the split that its name has too.

    Example:
        >>> _kind("train_masks"), _kind("JPEGImages"), _kind("site 1")
        (('mask', 'train'), ('image', ''), (None, 'site 1'))
    """
    found = _FOLDER.fullmatch(_FILLING.sub("", part.lower()))
    if found is not None:
        split = (found["before"] or found["after"] or "").strip("-_ ")
        if _MASK_FOLDER.fullmatch(found["kind"]):
            return MASK, split
        if _IMAGE_FOLDER.fullmatch(found["kind"]):
            return IMAGE, split
    return None, part


def _name(folder: Path, path: Path) -> str:
    """Returns the path of a file without suffix and without the folders that say what it is."""
    parts = [_kind(part)[1] for part in path.relative_to(folder).parts[:-1]]
    return "/".join([*filter(None, parts), path.stem])


def _join(images: dict[Path, str], masks: dict[str, Path]) -> list[Pair]:
    """Returns the pairs that names make, equal names before those that differ by a mark.

    Raises:
        DataError: If a mask belongs to two images.
    """
    found: dict[Path, Pair] = {}
    owners: dict[Path, Path] = {}
    for marks in ((), (_IMAGE_ENDING,), (_IMAGE_BEGINNING,)):
        taken = set(owners)
        for path, name in images.items():
            mask = masks.get(_key(_without(name, *marks)))
            if path in found or mask is None or mask in taken:
                continue
            other = owners.setdefault(mask, path)
            if other != path:
                raise DataError(f"{mask}: belongs to two images, {other} and {path}. Rename one.")
            found[path] = Pair(name, path, mask)
    return list(found.values())


def _without(name: str, *marks: re.Pattern[str]) -> str:
    """Returns the path of a file with marks taken from its last part."""
    parent, slash, stem = name.rpartition("/")
    for mark in marks:
        stem = mark.sub("", stem)
    return parent + slash + stem


def _mask_keys(name: str) -> list[str]:
    """Returns the names that the image of a mask may have: a_mask, mask_a and a.jpg belong to a."""
    ending, beginning = _without(name, _MASK_ENDING), _without(name, _MASK_BEGINNING)
    suffix = Path(ending).suffix
    shorter = ending[: -len(suffix)] if suffix.lower() in IMAGE_SUFFIXES else ending
    return [_key(one) for one in (name, ending, beginning, shorter)]


def _key(name: str) -> str:
    """Returns what is compared: systems write one name in several ways."""
    return unicodedata.normalize("NFC", name).casefold()


def _check_unique(images: dict[Path, str]) -> None:
    seen: dict[str, Path] = {}
    for path, name in images.items():
        other = seen.setdefault(_key(name), path)
        if other != path:
            raise DataError(f"{path}: expected one image of this name. There is also {other}.")


def _masks_by_name(masks: dict[Path, str]) -> dict[str, Path]:
    """Returns the mask for each name of an image; of an image and an array of one name the image."""
    found: dict[str, Path] = {}
    for place in range(4):  # exact names first
        for path, name in masks.items():
            key = _mask_keys(name)[place]
            other = found.get(key)
            if other is None:
                found[key] = path
            elif place == 0 and other != path:
                arrays = [one for one in (other, path) if one.suffix.lower() == ARRAY_SUFFIX]
                if len(arrays) != 1:
                    raise DataError(f"{path}: expected one mask of this name. There is also {other}.")
                found[key] = path if other in arrays else other
    return found
