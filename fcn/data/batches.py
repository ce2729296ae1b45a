"""The training stream as a `keras.utils.PyDataset`, for training without TensorFlow."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from fcn.data.stream import TrainingStream
from fcn.system.parallel import available_cores

# A core reads about 100 images a second, and a GPU learns from several hundred.
_WORKERS = max(2, min(available_cores(), 16))
_AHEAD = _WORKERS + 2

Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]


class TrainingBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of a training from one of its batches on, the same ones as `training_dataset` yields.

    Args:
        stream: Where examples come from.
        batch_size: Examples a batch, over all processes together.
        start: First batch, counted from 0.
        stop: Batch before which to end.
        process: This process, counted from 0, and their number: each reads its own part of every batch.

    Example:
        >>> from fcn.config.sections import AugmentationConfig
        >>> len(TrainingBatches(TrainingStream([], 2, AugmentationConfig(), 0), 4, 10, 25))
        15
    """

    def __init__(
        self,
        stream: TrainingStream,
        batch_size: int,
        start: int,
        stop: int,
        process: tuple[int, int] = (0, 1),
        **kwargs: Any,
    ) -> None:
        # Keras' own workers go on with the second batch after Keras has looked at the first to build the
        # net, and so each step would get the batch of the next one.
        super().__init__(workers=1, **kwargs)
        index, count = process
        if batch_size % count:
            raise ValueError(
                f"Expected a `batch_size` that {count} processes can share. Received: {batch_size}."
            )
        self.stream = stream
        self.batch_size = batch_size
        self.start = start
        self.stop = stop
        share = batch_size // count
        self._own = range(index * share, (index + 1) * share)
        self._pool = ThreadPoolExecutor(_WORKERS)
        self._reading: dict[int, Future[Batch]] = {}

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, index: int) -> Batch:
        """Returns image `float32[B, H, W, 3]` RGB, 0 to 255, and label `int32[B, H, W]`, 255 = void.

        The batches after it are being read while it is used.
        """
        for wanted in range(index, min(index + _AHEAD, len(self))):
            if wanted not in self._reading:
                self._reading[wanted] = self._pool.submit(self._read, wanted)
        return self._reading.pop(index).result()

    def _read(self, index: int) -> Batch:
        first = (self.start + index) * self.batch_size
        images, labels = zip(*(self.stream[first + place] for place in self._own), strict=True)
        return np.stack(images).astype(np.float32), np.stack(labels).astype(np.int32)
