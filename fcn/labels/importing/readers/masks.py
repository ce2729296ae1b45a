"""Reads folders of images and folders of masks: PNGs with ids or colors as pixels.

That is labelme's export to VOC, CVAT's "Segmentation mask 1.1", Roboflow's masks, data sets in VOC layout,
and any two folders such as `images/` and `masks/`, also below `train/`, `valid/` and `test/`. Whether pixels
are ids or colors is decided for all masks of a source together.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fcn.classes import voc_palette
from fcn.data.class_table import ListedClass
from fcn.data.image_io import Pixels
from fcn.errors import DataError
from fcn.labels.importing.class_lists import find_classes
from fcn.labels.importing.readers.id_array import MAX_ID
from fcn.labels.importing.readers.mask_file import (
    ALPHA_MODES,
    COLOR_MODES,
    MaskHeader,
    colors_of_ids,
    has_gray_colors,
    read_colors,
    read_ids,
    read_mask_header,
)
from fcn.labels.importing.readers.mask_pairs import Files, Pair, find_pairs, find_unmarked
from fcn.labels.importing.readers.mask_size import check_fit
from fcn.labels.importing.source import (
    Color,
    Item,
    Keys,
    Source,
    SourceClass,
    class_of_key,
    color_key,
)
from fcn.labels.importing.split_lists import read_split_lists, split_of_folder
from fcn.system.parallel import map_on_all_cores
from fcn.system.text import counted

NAME = "masks"

_VOID_ID, _VOID_COLOR = 255, (224, 224, 192)
_SAMPLE = 20


def recognizes(folder: Path) -> bool:
    """Returns whether a folder holds masks, or two files of one name that may be an image and its mask."""
    files = find_pairs(folder)
    return bool(files.pairs or files.masks or find_unmarked(files.images))


def read(folder: Path) -> Source:
    """Returns the images that have a mask.

    Raises:
        DataError: If there are none, or the masks cannot be understood.
    """
    files = find_pairs(folder)
    pairs = files.pairs
    if not pairs:
        raise DataError(_explain(folder, files))
    headers = list(map_on_all_cores(lambda pair: read_mask_header(pair.mask), pairs))
    listed = find_classes(folder)
    by_color = _mean_colors(pairs, headers, listed)
    splits, split_notes = read_split_lists(folder, [pair.name for pair in pairs])
    items = [
        Item(
            pair.name,
            pair.image,
            partial(_read_keys, pair.mask, read_colors if by_color else read_ids),
            pair.mask,
            splits.get(pair.name, split_of_folder(pair.name)),
        )
        for pair in pairs
    ]
    palette = max((header.palette for header in headers if header.palette is not None), key=len, default=None)
    name_of: Callable[[int], SourceClass] = class_of_key
    if by_color:
        classes, class_notes = _classes_by_color(listed, pairs)
        void = {color_key(_VOID_COLOR)} - classes.keys()
        void |= {color_key(one.color) for one in listed if one.is_void and one.color is not None}
    else:
        classes, class_notes = _classes_by_id(listed, palette), ()
        void = {_VOID_ID, MAX_ID} if any(header.mode.startswith("I") for header in headers) else {_VOID_ID}
        void = (void | {one.id for one in listed if one.is_void}) - classes.keys()
        name_of = partial(_class_of_id, palette, [*classes], void)
    notes = (*_notes(files, headers), *class_notes, *split_notes)
    return Source(NAME, items, classes, name_of, frozenset(void), notes)


def _explain(folder: Path, files: Files) -> str:
    """Returns why images and masks cannot be told apart or joined."""
    if files.images and files.masks:
        return (
            f"{folder}: holds {counted(len(files.images), 'image')} and {counted(len(files.masks), 'mask')}, "
            f"and none have a name in common, such as {files.images[0].name} and {files.masks[0].name}. "
            "Give each mask the name of its image."
        )
    if files.masks:
        return (
            f"{folder}: holds {counted(len(files.masks), 'mask')}, such as {files.masks[0].name}, and no "
            "images. Put the images beside them, in a folder images/, or export again with images."
        )
    unmarked = find_unmarked(files.images)
    if unmarked is not None:
        return (
            f"{folder}: has images and masks in one folder, such as {unmarked[0].name} and "
            f"{unmarked[1].name}, and nothing tells them apart. Put them into images/ and masks/, or let the "
            "names of masks end in _mask."
        )
    return f"{folder}: holds no images with masks. Expected folders such as images/ and masks/."


def _notes(files: Files, headers: Iterable[MaskHeader]) -> list[str]:
    notes = []
    for one, many, what, paths in (
        ("image has", "images have", "no mask", files.images),
        ("mask has", "masks have", "no image", files.masks),
        ("image is", "images are", "in a folder of another name", files.others),
    ):
        if paths:
            notes.append(f"{counted(len(paths), one, many)} {what}: left out, such as {paths[0]}")
    alpha = sum(header.mode in ALPHA_MODES for header in headers)
    if alpha:
        notes.append(
            f"{counted(alpha, 'mask has', 'masks have')} transparency: pixels that cannot be seen count as "
            "black, or as id 0"
        )
    return notes


def _mean_colors(pairs: Sequence[Pair], headers: Sequence[MaskHeader], listed: Sequence[ListedClass]) -> bool:
    """Returns whether the masks hold colors, not ids: all masks of a source mean the same.

    Raises:
        DataError: If they disagree.
    """
    listed_colors = {one.color for one in listed if one.color is not None}
    colored = [pair.mask for pair, header in zip(pairs, headers, strict=True) if header.mode in COLOR_MODES]
    if colored and (listed_colors or not all(map_on_all_cores(has_gray_colors, colored))):
        return True
    with_palette = [
        pair.mask for pair, header in zip(pairs, headers, strict=True) if header.palette is not None
    ]
    palettes = {header.palette.tobytes(): header.palette for header in headers if header.palette is not None}
    if not palettes:
        return False
    shown = {tuple(color) for palette in palettes.values() for color in palette.tolist()}
    if listed_colors - {(0, 0, 0)} and listed_colors <= shown:
        return True
    longest = max(palettes, key=len)
    if all(longest.startswith(palette) for palette in palettes) or _ids_agree(with_palette):
        return False
    gray = [pair.mask for pair, header in zip(pairs, headers, strict=True) if header.palette is None]
    if gray:
        raise DataError(
            f"{gray[0]}: has ids without colors, and the palettes of other masks differ, such as that of "
            f"{with_palette[0]}, so that ids and colors disagree. Export all masks in one way."
        )
    return True


def _ids_agree(masks: Sequence[Path]) -> bool:
    """Returns whether each id has one color in all masks where it occurs."""
    colors: dict[int, tuple[int, ...]] = {}
    for found in map_on_all_cores(colors_of_ids, masks):
        if any(colors.setdefault(number, color) != color for number, color in found.items()):
            return False
    return True


def _classes_by_id(listed: Sequence[ListedClass], palette: Pixels | None) -> dict[int, SourceClass]:
    return {
        one.id: SourceClass(one.name, one.color or _palette_color(palette, one.id))
        for one in listed
        if not one.is_void
    }


def _class_of_id(palette: Pixels | None, listed: Sequence[int], void: set[int], key: int) -> SourceClass:
    """Returns a class named by its id.

    Raises:
        DataError: If there is a list of classes without it: then names may belong to other ids too.
    """
    if listed and key not in void:
        raise DataError(
            f"The masks have the id {key}, and the list of classes has {counted(len(listed), 'name')}, the "
            f"last for id {max(listed)}. Name each id there. A list that begins with the first object needs "
            "a line for the background before it."
        )
    return class_of_key(key)._replace(color=_palette_color(palette, key))


def _palette_color(palette: Pixels | None, number: int) -> Color | None:
    if palette is None or number >= len(palette):
        return None
    red, green, blue = palette[number].tolist()
    return red, green, blue


def _classes_by_color(
    listed: Sequence[ListedClass], pairs: Sequence[Pair]
) -> tuple[dict[int, SourceClass], tuple[str, ...]]:
    """Returns the listed classes by the keys of their colors, VOC's for those without, and notes."""
    palette = voc_palette()
    classes: dict[int, SourceClass] = {}
    for one in listed:
        color = one.color or (None if one.is_void else _palette_color(palette, one.id))
        if color is not None:
            key = color_key(color)
            if key in classes:
                raise DataError(
                    f"The list of classes gives {classes[key].name!r} and {one.name!r} the same color, "
                    f"{color}. Give each class its own."
                )
            classes[key] = SourceClass(one.name, color)
    if classes and not any(one.color for one in listed):
        found = {key for pair in pairs[:_SAMPLE] for key in np.unique(read_colors(pair.mask)).tolist()}
        if found - classes.keys() - {color_key(_VOID_COLOR)}:
            return {}, (
                "the list of classes has no colors, and those of the masks are not VOC's: names unknown",
            )
    return classes, ()


def _read_keys(path: Path, read_mask: Callable[[Path, tuple[int, int]], Keys], size: tuple[int, int]) -> Keys:
    return check_fit(path, read_mask(path, size), size)
