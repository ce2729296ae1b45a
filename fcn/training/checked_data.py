"""The data set of a training, checked before anything is written."""

import hashlib
from typing import NamedTuple

from fcn.classes import Classes
from fcn.config.sections import DataConfig
from fcn.data.voc import (
    Example,
    check_copies,
    check_disjoint,
    check_examples,
    read_classes,
    read_split,
)


class CheckedData(NamedTuple):
    """A data set whose images and labels can all be used.

    Attributes:
        classes: The classes of its labels.
        train_examples: The training split.
        val_examples: The validation split, which shares no image with the training split.
        digest: Of the training images in their order.
    """

    classes: Classes
    train_examples: list[Example]
    val_examples: list[Example]
    digest: str


def read_checked(config: DataConfig) -> CheckedData:
    """Reads the splits of a training and checks every image and label.

    Raises:
        DataError: If one cannot be used, or an image is in both splits.
    """
    classes = read_classes(config.root)
    train_examples = read_split(config.root, config.train_split)
    val_examples = read_split(config.root, config.val_split)
    check_disjoint(train_examples, val_examples, config.root)
    digests = check_examples([*train_examples, *val_examples], len(classes.names))
    check_copies(train_examples, val_examples, digests)
    digest = hashlib.sha256(b"".join(digests[: len(train_examples)])).hexdigest()
    return CheckedData(classes, train_examples, val_examples, digest)
