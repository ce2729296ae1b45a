"""The facts of a data set that a plan follows from.

Source: Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical image
segmentation", Nature Methods 18 (2021). It too takes a fingerprint of the data first (sizes, classes, number
of images) and derives crop, batch and more from it by fixed rules, within the memory that there is.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fcn.config.file import Config
from fcn.data.examination import class_pixels, facts_of_all
from fcn.data.image_io import read_size
from fcn.data.voc import Example, read_classes, read_split
from fcn.errors import DataError
from fcn.labels.validation_split import count_training_images, lists_of
from fcn.report.pictures import spread
from fcn.system.parallel import map_on_all_cores
from fcn.system.progress import track
from fcn.system.remedies import as_started
from fcn.system.shell import quoted
from fcn.training.checked_data import CheckedData

MOST_LABELS = 500
"""Labels that are read at most, evenly from all over the training split."""
# The largest images, which a trial learns from and scores: no other batch takes more memory.
_TRAIN_IMAGES, _VAL_IMAGES = 4, 2

Size = tuple[int, int]


class ClassFact(NamedTuple):
    """How often a class occurs in the labels that were read.

    Attributes:
        name: Its name.
        share: Of the labeled pixels, from 0 to 1.
        images: Number of images with it.
    """

    name: str
    share: float
    images: int


class Fingerprint(NamedTuple):
    """Facts of a data set.

    Attributes:
        num_train: Number of training images.
        num_val: Number of validation images.
        median_size: Median (height, width) of all images.
        smallest_size: Size of the smallest image, by its pixels.
        largest_size: Size of the largest one.
        val_megapixels: Size of all validation images together.
        num_read: Number of training labels that were read.
        classes: Of them.
    """

    num_train: int
    num_val: int
    median_size: Size
    smallest_size: Size
    largest_size: Size
    val_megapixels: float
    num_read: int
    classes: tuple[ClassFact, ...]


def take_fingerprint(config: Config) -> tuple[Fingerprint, CheckedData]:
    """Returns the facts of a data set, and its largest images as data for trials.

    Raises:
        DataError: If the data set, or one of the images and labels that are read, cannot be used.
    """
    data = config.data
    lists = lists_of(data)
    classes = read_classes(data.root, lists, data.classes)
    train, *others = (read_split(data.root, split, data.label_orientation, data.used_bits) for split in lists)
    val = others[0] if others else train
    train_sizes = _sizes(train)
    val_sizes = _sizes(val) if others else train_sizes
    chosen = sorted({*spread(range(len(train)), MOST_LABELS), *_largest(train_sizes, _TRAIN_IMAGES)})
    largest_val = [val[index] for index in _largest(val_sizes, _VAL_IMAGES)]
    num_classes = len(classes.names)
    facts = facts_of_all([train[index] for index in chosen] + largest_val, num_classes)
    pixels = class_pixels(facts[: len(chosen)], num_classes)
    if not pixels.any():
        check = as_started("python -m fcn data check")
        raise DataError(f"{data.root}: no label that was read has a class. See {check} {quoted(data.root)}")
    num_train = count_training_images(data)
    num_val = len(val) if others else len(train) - num_train
    sizes = np.array(train_sizes + val_sizes if others else train_sizes)
    areas = sizes.prod(axis=1)
    height, width = (int(side) for side in np.median(sizes, axis=0))
    fingerprint = Fingerprint(
        num_train,
        num_val,
        (height, width),
        _size(sizes[areas.argmin()]),
        _size(sizes[areas.argmax()]),
        float(np.mean([height * width for height, width in val_sizes])) * num_val / 1e6,
        len(chosen),
        tuple(
            ClassFact(name, float(own), int(count))
            for name, own, count in zip(
                classes.names, pixels.sum(axis=0) / pixels.sum(), (pixels > 0).sum(axis=0), strict=True
            )
        ),
    )
    largest = [chosen.index(index) for index in _largest(train_sizes, _TRAIN_IMAGES)]
    trial = CheckedData(
        classes,
        [train[chosen[row]] for row in largest],
        largest_val,
        [facts[row].digest for row in largest],
        [one.digest for one in facts[len(chosen) :]],
        [facts[row].size for row in largest],
        pixels[largest],
        class_pixels(facts[len(chosen) :], num_classes).sum(axis=0),
    )
    return fingerprint, trial


def _sizes(examples: Sequence[Example]) -> list[Size]:
    paths = [example.image_path for example in examples]
    return list(track(map_on_all_cores(read_size, paths), "reading sizes", len(paths), lines=True))


def _size(row: Sequence[int]) -> Size:
    return int(row[0]), int(row[1])


def _largest(sizes: Sequence[Size], count: int) -> list[int]:
    order = sorted(range(len(sizes)), key=lambda index: sizes[index][0] * sizes[index][1], reverse=True)
    return order[:count]
