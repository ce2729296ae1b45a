"""Tests of the training stream inside of tf.data."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from fcn.config.sections import AugmentationConfig
from fcn.data.pipeline import training_dataset
from fcn.data.stream import TrainingStream
from fcn.data.voc import read_split

CROP = (24, 32)


@pytest.fixture(scope="module")
def stream(dataset: Path) -> TrainingStream:
    return TrainingStream(read_split(dataset, "train"), 3, AugmentationConfig(crop_size=CROP), seed=3)


def test_batches_are_the_items_of_the_stream_in_order(stream: TrainingStream) -> None:
    dataset = training_dataset(stream, batch_size=3, start=0, stop=4)
    assert dataset.element_spec == (
        tf.TensorSpec([3, *CROP, 3], tf.float32),
        tf.TensorSpec([3, *CROP], tf.int32),
    )
    batches = list(dataset.as_numpy_iterator())
    assert len(batches) == 4
    for step, (images, labels) in enumerate(batches):
        for place in range(3):
            image, label = stream[3 * step + place]
            np.testing.assert_array_equal(images[place], image)
            np.testing.assert_array_equal(labels[place], label)


@pytest.mark.parametrize("start", [1, 3, 5])
def test_starting_later_gives_the_batches_that_would_have_come(stream: TrainingStream, start: int) -> None:
    whole = list(training_dataset(stream, 2, 0, 6).as_numpy_iterator())
    rest = list(training_dataset(stream, 2, start, 6).as_numpy_iterator())
    assert len(rest) == 6 - start
    for expected, batch in zip(whole[start:], rest, strict=True):
        for one, other in zip(expected, batch, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_finished_training_has_no_more_batches(stream: TrainingStream) -> None:
    assert list(training_dataset(stream, 2, 6, 6)) == []


def test_without_a_crop_size_images_come_whole_and_mirrored_ones_too(dataset: Path) -> None:
    whole = AugmentationConfig(crop_size=None, flip=True, color_jitter=0)
    stream = TrainingStream(read_split(dataset, "train"), 3, whole, seed=0)
    batches = list(training_dataset(stream, 1, 0, 12).as_numpy_iterator())
    for index, (images, labels) in enumerate(batches):
        image, label = stream[index]
        np.testing.assert_array_equal(images[0], image)
        np.testing.assert_array_equal(labels[0], label)
    assert len({images.shape for images, _ in batches}) == 3
    plain = TrainingStream(read_split(dataset, "train"), 3, whole.model_copy(update={"flip": False}), seed=0)
    mirrored = [np.array_equal(stream[index][0], plain[index][0][:, ::-1]) for index in range(12)]
    assert 0 < sum(mirrored) < 12
