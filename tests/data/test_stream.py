"""Tests of which example comes when."""

from pathlib import Path

import numpy as np
import pytest

from fcn.config.sections import AugmentationConfig
from fcn.data.image_io import read_image
from fcn.data.stream import TrainingStream
from fcn.data.voc import Example, read_example, read_split
from fcn.errors import DataError

PLAIN = AugmentationConfig(crop_size=None, flip=False, color_jitter=0)
FULL = AugmentationConfig(crop_size=(24, 32))


@pytest.fixture(scope="module")
def examples(dataset: Path) -> list[Example]:
    return read_split(dataset, "train")


def stream(examples: list[Example], augmentation: AugmentationConfig, seed: int = 0) -> TrainingStream:
    return TrainingStream(examples, 3, augmentation, seed)


def order(examples: list[Example], epoch: int, seed: int = 0) -> list[str]:
    """Returns the names of the examples of an epoch, told by their pixels."""
    items = stream(examples, PLAIN, seed)
    images = {read_image(example.image_path).tobytes(): example.name for example in examples}
    first = epoch * len(examples)
    return [images[items[index][0].tobytes()] for index in range(first, first + len(examples))]


def test_an_item_depends_on_the_seed_and_the_index_alone(examples: list[Example]) -> None:
    forwards, backwards = stream(examples, FULL), stream(examples, FULL)
    indices = [*range(12), 1000, 12345]
    first = {index: forwards[index] for index in indices}
    again = {index: backwards[index] for index in reversed(indices)}
    for index in indices:
        for one, other in zip(first[index], again[index], strict=True):
            np.testing.assert_array_equal(one, other)


def test_items_have_the_size_of_the_crop(examples: list[Example]) -> None:
    items = stream(examples, FULL)
    for index in range(8):
        image, label = items[index]
        assert image.shape == (24, 32, 3)
        assert label.shape == (24, 32)
        assert image.dtype == label.dtype == np.uint8
        assert set(np.unique(label)) <= {0, 1, 2, 255}


def test_an_epoch_shows_every_example_once(examples: list[Example]) -> None:
    for epoch in range(3):
        assert sorted(order(examples, epoch)) == ["a", "b", "c", "d"]


def test_epochs_and_seeds_have_their_own_order(examples: list[Example]) -> None:
    assert len({tuple(order(examples, epoch)) for epoch in range(6)}) > 2
    assert len({tuple(order(examples, 0, seed)) for seed in range(6)}) > 2


def test_the_same_example_looks_different_in_each_epoch_and_for_each_seed(examples: list[Example]) -> None:
    one = examples[:1]
    items = [stream(one, FULL)[index] for index in range(5)] + [stream(one, FULL, seed=1)[0]]
    assert len({image.tobytes() for image, _ in items}) == 6


def test_items_of_an_epoch_are_not_all_changed_alike(examples: list[Example]) -> None:
    flip_only = AugmentationConfig(crop_size=None, flip=True, color_jitter=0)
    items = stream(examples[:1] * 8, flip_only)
    assert len({items[index][0].tobytes() for index in range(8)}) == 2


def test_without_a_crop_size_images_come_whole(examples: list[Example]) -> None:
    whole = {read_image(example.image_path).tobytes(): read_example(example, 3)[1] for example in examples}
    items = stream(examples, PLAIN)
    for index in range(len(examples)):
        image, label = items[index]
        np.testing.assert_array_equal(label, whole[image.tobytes()])


def test_a_flip_of_a_whole_image_takes_the_label_along(examples: list[Example]) -> None:
    items = stream(examples[:1], AugmentationConfig(crop_size=None, flip=True, color_jitter=0))
    image, label = read_example(examples[0], 3)
    mirrored = 0
    for index in range(20):
        shown, known = items[index]
        step = 1 if np.array_equal(shown, image) else -1
        mirrored += step == -1
        np.testing.assert_array_equal(shown, image[:, ::step])
        np.testing.assert_array_equal(known, label[:, ::step])
    assert 4 < mirrored < 16


def test_colors_change_and_the_label_does_not(examples: list[Example]) -> None:
    jitter = AugmentationConfig(crop_size=None, flip=False, color_jitter=0.5)
    image, label = read_example(examples[0], 3)
    shown, known = stream(examples[:1], jitter)[0]
    np.testing.assert_array_equal(known, label)
    assert shown.shape == image.shape
    assert (shown != image).any()


def test_a_label_that_does_not_fit_is_named(examples: list[Example]) -> None:
    items = TrainingStream(examples, 2, FULL, 0)
    with pytest.raises(DataError, match="class ids 0 to 1"):
        items[0]
