"""Labels of a training with a teacher."""

from pathlib import Path

import numpy as np
import pytest

from fcn.classes import UNLABELED, VOID
from fcn.config.sections import AugmentationConfig
from fcn.data.image_io import encode_label
from fcn.data.stream import TrainingStream
from fcn.data.taught_stream import TaughtStream
from fcn.data.voc import read_split

# Larger than the images, which are 16 to 31 pixels high and wide.
AUGMENTATIONS = {
    "crops": AugmentationConfig(crop_size=(40, 40), scale=(0.8, 1.2), rotation=20, class_mix=0.5, cutout=0.5),
    "whole": AugmentationConfig(crop_size=None),
}


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_only_what_has_no_class_differs(name: str, dataset: Path) -> None:
    examples, augmentation = read_split(dataset, "train"), AUGMENTATIONS[name]
    plain, taught = (kind(examples, 3, augmentation, seed=1) for kind in (TrainingStream, TaughtStream))
    counts = np.zeros(256, int)
    for index in range(12):
        image, label = plain[index]
        same_image, marked = taught[index]
        np.testing.assert_array_equal(same_image, image)
        np.testing.assert_array_equal(np.where(marked == UNLABELED, VOID, marked), label)
        np.testing.assert_array_equal(taught.label(index), label)
        counts += np.bincount(marked.ravel(), minlength=256)
    assert counts[UNLABELED] > 0
    assert (counts[VOID] > 0) == (name == "crops")


def test_void_of_a_label_is_told_from_what_is_outside(make_dataset, tmp_path: Path) -> None:
    root = make_dataset(tmp_path, {"train": ["a"]}, sizes=((20, 30),))
    void = np.full((20, 30), VOID, np.uint8)
    (root / "SegmentationClass" / "a.png").write_bytes(encode_label(void))
    crop = AugmentationConfig(crop_size=(60, 60), scale=(1, 1))
    _, label = TaughtStream(read_split(root, "train"), 3, crop, seed=0)[0]
    rows, columns = np.nonzero(label == UNLABELED)
    assert len(rows) == 20 * 30
    assert (np.ptp(rows), np.ptp(columns)) == (19, 29)
    assert (label == VOID).sum() == 60 * 60 - 20 * 30
