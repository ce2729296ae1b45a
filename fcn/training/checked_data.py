"""The data set of a training, checked before anything is written."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.classes import Classes
from fcn.config.sections import DataConfig
from fcn.data.class_names import read_list_colors
from fcn.data.examination import blank_images, class_pixels, examine_examples
from fcn.data.label_orientation import count_turned, describe_unclear
from fcn.data.leaks import ExampleDigest, check_copies, check_disjoint
from fcn.data.voc import Example, read_classes, read_split
from fcn.labels.checking.survey import Splits, survey_examples
from fcn.labels.checking.text import describe_briefly, refuse
from fcn.labels.unlabeled import UnlabeledImages, read_unlabeled
from fcn.labels.validation_split import divide_examples, lists_of
from fcn.runs.digests import SplitDigests
from fcn.system.text import print_notice
from fcn.training import devices
from fcn.training.checkpoint import DataDigests


class CheckedData(NamedTuple):
    """A data set whose images and labels can all be used.

    Attributes:
        classes: The classes of its labels.
        train_examples: The training split.
        val_examples: The validation split, which shares no image with the training split.
        train_digests: The digests of each training example.
        val_digests: The digests of each validation example.
        train_sizes: (height, width) of each training image.
        train_pixels: `int64[images, classes]`, the pixels of each class in each training label, without void.
        val_pixels: `int64[classes]`, the pixels of each class in all validation labels.
        is_divided: Whether the validation examples were chosen here (`data.val_share`).
        unlabeled: Images without labels, none of which is in the validation split.
    """

    classes: Classes
    train_examples: list[Example]
    val_examples: list[Example]
    train_digests: list[ExampleDigest]
    val_digests: list[ExampleDigest]
    train_sizes: list[tuple[int, int]]
    train_pixels: npt.NDArray[np.int64]
    val_pixels: npt.NDArray[np.int64]
    is_divided: bool = False
    unlabeled: UnlabeledImages = UnlabeledImages()

    @property
    def digests(self) -> DataDigests:
        """The digests of both splits."""
        return DataDigests(SplitDigests.of(self.train_digests), SplitDigests.of(self.val_digests))


def read_checked(config: DataConfig, run_names: tuple[str, ...] | None = None) -> CheckedData:
    """Reads the splits of a training and checks every image and label.

    Args:
        config: The data set.
        run_names: Class names of the run that is resumed, for a data set without `labels.txt`; None for a
            new run.

    Raises:
        DataError: If one cannot be used, or an image is in both splits.
    """
    lists = lists_of(config)
    classes = read_classes(config.root, lists, config.classes, run_names)
    train_examples, *others = (
        read_split(config.root, split, config.label_orientation, config.used_bits) for split in lists
    )
    val_examples = [example for other in others for example in other]
    check_disjoint(train_examples, val_examples, config.root)
    found = examine_examples([*train_examples, *val_examples], len(classes.names))
    if config.val_share is not None and not others:
        found, count = divide_examples(config.root, found, config.val_share)
        train_examples, val_examples = [*found.examples[:count]], [*found.examples[count:]]
    examples = Splits(config.train_split, config.val_split, train_examples, val_examples)
    survey = survey_examples(
        config.root, classes, examples, found, read_list_colors(config.root), config.bits
    )
    refuse(survey)
    facts = [one for one in found.facts if one is not None]
    digests = [one.digest for one in facts]
    check_copies(train_examples, val_examples, digests, blank_images(found.facts))
    turned = count_turned([example.image_path for example in examples.examples()])
    notice = describe_unclear(turned, config.label_orientation)
    if devices.is_main_process():
        print_notice(*describe_briefly(survey), *([f"Warning: {notice}"] if notice else []))
    count = len(train_examples)
    num_classes = len(classes.names)
    train_pixels, val_pixels = (class_pixels(one, num_classes) for one in (facts[:count], facts[count:]))
    unlabeled = read_unlabeled(config, {digest.image for digest in digests[count:]})
    if config.unlabeled is not None and devices.is_main_process():
        print_notice(unlabeled.describe(config.unlabeled, config.unlabeled_share))
    return CheckedData(
        classes,
        train_examples,
        val_examples,
        digests[:count],
        digests[count:],
        [one.size for one in facts[:count]],
        train_pixels,
        val_pixels.sum(axis=0),
        is_divided=not others,
        unlabeled=unlabeled,
    )
