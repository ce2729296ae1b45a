"""Keras' settings, which a user's `keras.json` may change for all programs."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def keras_defaults() -> Iterator[None]:
    """Sets in the block what Keras has without a `keras.json`: channels last, and float32.

    A dtype policy that a program has set itself stays. After the block, the program's other nets get its
    settings again.
    """
    data_format, floatx = keras.config.image_data_format(), keras.config.floatx()
    policy = keras.config.dtype_policy()
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    if policy.name == floatx:  # it comes from there
        keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_image_data_format(data_format)
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
