"""Tests of the training stream where TensorFlow is not installed."""

from pathlib import Path

import numpy as np
import pytest

from fcn.data.batches import TrainingBatches
from fcn.data.pipeline import training_dataset
from fcn.data.stream import TrainingStream
from fcn.data.voc import read_split
from fcn.sections import AugmentationConfig


@pytest.fixture(scope="module")
def stream(dataset: Path) -> TrainingStream:
    return TrainingStream(read_split(dataset, "train"), 3, AugmentationConfig(crop_size=(24, 32)), seed=3)


@pytest.mark.parametrize(("start", "stop"), [(0, 5), (2, 7)])
def test_batches_are_those_of_the_tensorflow_pipeline(stream: TrainingStream, start: int, stop: int) -> None:
    batches = TrainingBatches(stream, 3, start, stop)
    expected = list(training_dataset(stream, 3, start, stop).as_numpy_iterator())
    assert len(batches) == len(expected) == stop - start
    for index, wanted in enumerate(expected):
        for one, other in zip(batches[index], wanted, strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


def test_processes_share_every_batch(stream: TrainingStream) -> None:
    whole = TrainingBatches(stream, 4, 1, 4)
    parts = [TrainingBatches(stream, 4, 1, 4, process=(index, 2)) for index in range(2)]
    for index in range(3):
        for one, *shares in zip(whole[index], *(part[index] for part in parts), strict=True):
            np.testing.assert_array_equal(one, np.concatenate(shares))


def test_a_batch_that_cannot_be_shared_is_refused(stream: TrainingStream) -> None:
    with pytest.raises(ValueError, match=r"3 processes can share\. Received: 4"):
        TrainingBatches(stream, 4, 0, 1, process=(0, 3))
