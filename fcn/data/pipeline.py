"""The training stream as a `tf.data.Dataset`; the one data file that imports TensorFlow."""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from fcn.data.stream import TrainingStream


def training_dataset(stream: TrainingStream, batch_size: int, start: int, stop: int) -> tf.data.Dataset:
    """Returns the batches of a training from `start` to `stop` - 1.

    Reading, decoding and augmentation run in as many threads as tf.data finds useful; the order, and
    so every batch, is the same whatever their number.

    Args:
        stream: Where examples come from.
        batch_size: Examples a batch.
        start: First batch, counted from 0.
        stop: Batch before which to end.

    Returns:
        Batches of image `float32[B, H, W, 3]` RGB, 0 to 255, and label `int32[B, H, W]`, 255 = void.
    """

    def read(index: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        return stream[int(index)]

    # TensorFlow would rewrite both functions for tensors in conditions and loops, which they have none of.
    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def example(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, label = tf.numpy_function(read, [index], [tf.uint8, tf.uint8], stateful=False)
        height, width = stream.augmentation.crop_size or (None, None)
        return tf.ensure_shape(image, (height, width, 3)), tf.ensure_shape(label, (height, width))

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def cast(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.cast(images, tf.float32), tf.cast(labels, tf.int32)

    return (
        tf.data.Dataset.range(start * batch_size, stop * batch_size)
        .map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size, drop_remainder=True)
        .map(cast, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )
