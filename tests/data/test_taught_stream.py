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


def mixed(dataset: Path, share: float, skipped: int = 0) -> TaughtStream:
    """The training split, and the validation images as if they had no labels."""
    unlabeled = [one._replace(label_path=one.image_path) for one in read_split(dataset, "val")]
    crops, examples = AUGMENTATIONS["crops"], read_split(dataset, "train")
    return TaughtStream(examples, 3, crops, 1, None, skipped, unlabeled=unlabeled, unlabeled_share=share)


def drawn(stream: TaughtStream, count: int) -> list[str]:
    return [stream._draw(index)[0].name for index in range(count)]


def test_every_second_item_has_no_label(dataset: Path) -> None:
    stream, labeled = (
        mixed(dataset, 0.5),
        TaughtStream(read_split(dataset, "train"), 3, AUGMENTATIONS["crops"], 1),
    )
    for index in range(8):
        for found, expected in zip(stream[2 * index], labeled[index], strict=True):
            np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(stream.label(2 * index), labeled.label(index))
    assert {*drawn(stream, 6)[1::2]} == {*drawn(stream, 12)[7::2]} == {"x", "y", "z"}
    orders = {tuple(drawn(stream, 60)[start : start + 6 : 2]) for start in range(1, 60, 6)}
    assert len(orders) > 1
    assert (stream.label(1) == VOID).all()


def test_their_labels_say_that_they_have_none(dataset: Path) -> None:
    stream = mixed(dataset, 1.0)
    stream.augmentation = AUGMENTATIONS["crops"].model_copy(update={"class_mix": 0.0})
    assert {*drawn(stream, 3)} == {"x", "y", "z"}
    for index in range(6):
        image, label = stream[index]
        assert image.shape == (40, 40, 3)
        assert {*np.unique(label).tolist()} == {UNLABELED, VOID}


@pytest.mark.parametrize(("share", "count"), [(0.1, 10), (0.3, 30), (1 / 3, 33), (0.75, 75), (1.0, 100)])
def test_they_come_as_evenly_as_their_share_allows(share: float, count: int, dataset: Path) -> None:
    names = drawn(mixed(dataset, share), 100)
    places = [number for number, name in enumerate(names) if name in "xyz"]
    assert len(places) == count
    assert set(np.diff(places).tolist()) <= {int(1 / share), int(1 / share) + 1}


def test_items_go_on_where_another_batch_size_left_them(dataset: Path) -> None:
    stream, later = mixed(dataset, 0.5), mixed(dataset, 0.5, skipped=5)
    assert drawn(later, 7) == drawn(stream, 12)[5:]
    for index in (0, 1):
        np.testing.assert_array_equal(later[index][0], stream[index + 5][0])
