"""Tests of the training stream where TensorFlow is not installed."""

from pathlib import Path

import keras
import numpy as np
import pytest
from rare_classes import read_rare_classes, write_rare_classes

from fcn.config.sections import AugmentationConfig
from fcn.data.batches import TrainingBatches
from fcn.data.pipeline import training_dataset
from fcn.data.stream import TrainingStream
from fcn.data.voc import read_split


@pytest.fixture
def stream(dataset: Path) -> TrainingStream:
    augmentation = AugmentationConfig(crop_size=(16, 16), color_jitter=0.0)
    return TrainingStream(read_split(dataset, "train"), 3, augmentation, seed=0)


def test_batches_hold_the_items_of_the_stream_in_order(stream: TrainingStream) -> None:
    batches = TrainingBatches(stream, batch_size=2, start=3, stop=9)
    assert len(batches) == 6
    for index in [0, 0, *range(6)]:  # Keras looks at the first before it begins
        images, labels = batches[index]
        assert (images.dtype, labels.dtype) == (np.float32, np.int32)
        for place in range(2):
            image, label = stream[(3 + index) * 2 + place]
            np.testing.assert_array_equal(images[place], image)
            np.testing.assert_array_equal(labels[place], label)


def test_a_model_is_given_each_batch_once_and_in_order(stream: TrainingStream) -> None:
    seen = []

    class Sum(keras.layers.Layer):
        def call(self, images):
            return keras.ops.sum(images, axis=(1, 2))

    class Seen(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            seen.append(float(logs["loss"]))
            self.model.reset_metrics()

        def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
            self.model.reset_metrics()

    model = keras.Sequential([Sum(), keras.layers.Dense(1, kernel_initializer="ones")])
    resting = keras.optimizers.SGD(learning_rate=0.0)
    model.compile(optimizer=resting, loss=lambda true, said: keras.ops.mean(said, axis=-1))
    batches = TrainingBatches(stream, batch_size=2, start=1, stop=6)
    model.fit(batches, steps_per_epoch=5, verbose=0, shuffle=False, callbacks=[Seen()])
    expected = [np.mean([stream[index * 2 + place][0].sum() for place in (0, 1)]) for index in range(1, 6)]
    np.testing.assert_allclose(seen, expected, rtol=1e-5)


def test_processes_share_every_batch(stream: TrainingStream) -> None:
    whole = TrainingBatches(stream, batch_size=4, start=0, stop=2)
    parts = [TrainingBatches(stream, 4, 0, 2, process=(index, 2)) for index in range(2)]
    for index in range(2):
        together = np.concatenate([part[index][0] for part in parts])
        np.testing.assert_array_equal(together, whole[index][0])


def test_balanced_batches_go_on_where_a_training_stopped(tmp_path: Path) -> None:
    examples, sampler = read_rare_classes(write_rare_classes(tmp_path))
    stream = TrainingStream(examples, 4, AugmentationConfig(crop_size=(16, 16)), seed=0, sampler=sampler)
    whole = TrainingBatches(stream, batch_size=4, start=0, stop=8)
    rest = TrainingBatches(stream, batch_size=4, start=5, stop=8)
    parts = [TrainingBatches(stream, 4, 5, 8, process=(index, 2)) for index in range(2)]
    expected = [whole[index] for index in range(8)][5:]
    for index, wanted in enumerate(expected):
        together = zip(*(part[index] for part in parts), strict=True)
        for one, other, halves in zip(rest[index], wanted, together, strict=True):
            np.testing.assert_array_equal(one, other)
            np.testing.assert_array_equal(np.concatenate(halves), other)


def test_a_batch_that_cannot_be_shared_is_refused(stream: TrainingStream) -> None:
    with pytest.raises(ValueError, match="3 processes can share"):
        TrainingBatches(stream, 4, 0, 2, process=(0, 3))


@pytest.mark.parametrize(("start", "stop"), [(0, 5), (2, 7)])
def test_batches_are_those_of_the_tensorflow_pipeline(stream: TrainingStream, start: int, stop: int) -> None:
    batches = TrainingBatches(stream, 3, start, stop)
    expected = list(training_dataset(stream, 3, start, stop).as_numpy_iterator())
    assert len(batches) == len(expected) == stop - start
    for index, wanted in enumerate(expected):
        for one, other in zip(batches[index], wanted, strict=True):
            np.testing.assert_array_equal(one, other)
