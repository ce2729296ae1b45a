"""Reads Cityscapes: `leftImg8bit/SPLIT/CITY/*_leftImg8bit.png` with label ids or train ids.

The classes are the 19 that the benchmark evaluates, in the order of their train ids; other ids become void.
An image with both files takes the label ids.
"""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fcn.errors import DataError
from fcn.labels.importing.folders import find_files, find_images, name_below
from fcn.labels.importing.readers.mask_file import read_ids, read_mask_header
from fcn.labels.importing.readers.mask_size import check_fit
from fcn.labels.importing.source import VOID_KEY, Color, Item, Keys, Source, SourceClass
from fcn.labels.importing.split_lists import split_of_folder
from fcn.system.parallel import map_on_all_cores
from fcn.system.text import counted

NAME = "cityscapes"


class _Class(NamedTuple):
    label_id: int
    name: str
    color: Color


# Facts of the benchmark: github.com/mcordts/cityscapesScripts, helpers/labels.py. The place is the train id.
_CLASSES = (
    _Class(7, "road", (128, 64, 128)),
    _Class(8, "sidewalk", (244, 35, 232)),
    _Class(11, "building", (70, 70, 70)),
    _Class(12, "wall", (102, 102, 156)),
    _Class(13, "fence", (190, 153, 153)),
    _Class(17, "pole", (153, 153, 153)),
    _Class(19, "traffic light", (250, 170, 30)),
    _Class(20, "traffic sign", (220, 220, 0)),
    _Class(21, "vegetation", (107, 142, 35)),
    _Class(22, "terrain", (152, 251, 152)),
    _Class(23, "sky", (70, 130, 180)),
    _Class(24, "person", (220, 20, 60)),
    _Class(25, "rider", (255, 0, 0)),
    _Class(26, "car", (0, 0, 142)),
    _Class(27, "truck", (0, 0, 70)),
    _Class(28, "bus", (0, 60, 100)),
    _Class(31, "train", (0, 80, 100)),
    _Class(32, "motorcycle", (0, 0, 230)),
    _Class(33, "bicycle", (119, 11, 32)),
)
# Unlabeled, ego vehicle, rectification border, out of region of interest, static, dynamic, ground, parking,
# rail track, guard rail, bridge, tunnel, pole group, caravan, trailer.
_NOT_EVALUATED = (0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30)
_VOID_TRAIN_ID = 255

_IMAGE = re.compile(r"(.+)_leftImg8bit")
_LABEL = re.compile(r"(.+)_gt(Fine|Coarse)_label(Ids|TrainIds)")
_WITHOUT_IDS = re.compile(r".+_gt(?:Fine|Coarse)_(instanceIds|color|polygons)")
# An image takes the first of these that it has.
_ORDER = [("Fine", "Ids"), ("Fine", "TrainIds"), ("Coarse", "Ids"), ("Coarse", "TrainIds")]
_SAMPLE = 3


class _Label(NamedTuple):
    path: Path
    kind: str


def recognizes(folder: Path) -> bool:
    """Returns whether a folder holds labels with the names of Cityscapes, also of kinds that are not read."""
    files = find_images(folder)
    return any(_LABEL.fullmatch(path.stem) for path in files) or bool(_kinds_without_ids(folder, files))


def read(folder: Path) -> Source:
    """Returns the images that have labels.

    Raises:
        DataError: If there are none, or a file is damaged.
    """
    labels: dict[str, _Label] = {}
    images: dict[str, Path] = {}
    files = find_images(folder)
    named = [(path, found) for path in files if (found := _LABEL.fullmatch(path.stem))]
    for path, found in sorted(named, key=lambda pair: _ORDER.index((pair[1][2], pair[1][3]))):
        labels.setdefault(found[1], _Label(path, found[3]))
    for path in files:
        if found := _IMAGE.fullmatch(path.stem):
            other = images.setdefault(found[1], path)
            if other != path:
                raise DataError(f"{path}: expected one image of this name. There is also {other}.")
    common = sorted(images.keys() & labels.keys())
    if not labels and (kinds := _kinds_without_ids(folder, files)):
        raise DataError(
            f"{folder}: holds files of Cityscapes for {' and '.join(kinds)}, and none with the ids of "
            "classes. Expected *_gtFine_labelIds.png or *_gtFine_labelTrainIds.png (or gtCoarse): the "
            "archive gtFine_trainvaltest.zip has the first, and cityscapesScripts makes the second."
        )
    if not common:
        raise DataError(
            f"{folder}: holds no images with labels. Expected leftImg8bit/ beside gtFine/: unpack both "
            "archives."
        )
    items = [_item(folder, images[name], labels[name]) for name in common]
    tests = [item for item in items if item.split == "test"]
    notes = []
    if tests and all(map_on_all_cores(_is_void, [labels[_base(item)] for item in tests[:_SAMPLE]])):
        items = [item for item in items if item.split != "test"]
        notes.append(
            f"{counted(len(tests), 'test image has', 'test images have')} no public labels: left out"
        )
    alone = len(images) - len(common)
    if alone:
        notes.append(f"{counted(alone, 'image has', 'images have')} no label: left out")
    classes = {number: SourceClass(one.name, one.color) for number, one in enumerate(_CLASSES)}
    return Source(NAME, items, classes, notes=tuple(notes))


def _kinds_without_ids(folder: Path, images: Sequence[Path]) -> list[str]:
    """Returns the kinds of labels of Cityscapes in a folder that do not give the ids of classes."""
    paths = [*images, *find_files(folder, (".json",))]
    return sorted({found[1] for path in paths if (found := _WITHOUT_IDS.fullmatch(path.stem))})


def _item(folder: Path, image: Path, label: _Label) -> Item:
    name = name_below(folder, image).removesuffix("_leftImg8bit")
    return Item(name, image, partial(_read_keys, label), label.path, split_of_folder(name))


def _base(item: Item) -> str:
    return item.name.rpartition("/")[2]


def _is_void(label: _Label) -> bool:
    read_mask_header(label.path)
    return bool((_to_keys(label, read_ids(label.path)) == VOID_KEY).all())


def _read_keys(label: _Label, size: tuple[int, int]) -> Keys:
    return check_fit(label.path, _to_keys(label, read_ids(label.path, size)), size)


def _to_keys(label: _Label, ids: Keys) -> Keys:
    """Returns train ids, `int32[H, W]`, and `VOID_KEY` for what is not evaluated.

    Raises:
        DataError: If there are ids that Cityscapes does not have.
    """
    known = np.full(int(ids.max(initial=0)) + 1, -2, np.int32)
    table = (
        {one.label_id: number for number, one in enumerate(_CLASSES)}
        | dict.fromkeys(_NOT_EVALUATED, VOID_KEY)
        if label.kind == "Ids"
        else {number: number for number in range(len(_CLASSES))} | {_VOID_TRAIN_ID: VOID_KEY}
    )
    for number, key in table.items():
        if number < len(known):
            known[number] = key
    keys = known[ids]
    if (keys == -2).any():
        wrong = int(ids[keys == -2].max())
        what = "label ids of 0 to 33" if label.kind == "Ids" else "train ids of 0 to 18, and 255"
        raise DataError(f"{label.path}: expected {what}. Received: {wrong}. Make it again from the polygons.")
    return np.asarray(keys)
