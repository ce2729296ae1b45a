"""Padding by reflection."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="fcn")
class ReflectionPadding(keras.layers.Layer):  # type: ignore[misc]
    """A layer that pads maps by reflection about their outermost pixels, which are not repeated.

    Unlike `keras.ops.pad` it takes maps that are smaller than the padding: they are reflected repeatedly.
    OpenCV calls it BORDER_REFLECT_101.

    Input: `[B, H, W, C]`. Output: `[B, H + 2 * padding, W + 2 * padding, C]`.

    Args:
        padding: Rows and columns added to each side.

    Example:
        >>> row = keras.ops.reshape(keras.ops.arange(3), (1, 1, 3, 1))
        >>> ReflectionPadding(4)(row)[0, 0, :, 0].numpy().tolist()
        [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]
    """

    def __init__(self, padding: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.padding = padding

    def call(self, maps: Any) -> Any:
        """Returns the larger maps."""
        for axis in (1, 2):
            maps = keras.ops.take(maps, self._places(keras.ops.shape(maps)[axis]), axis=axis)
        return maps

    def _places(self, length: Any) -> Any:
        """Returns which of `length` elements is at each place of the padded axis."""
        ops = keras.ops
        # There and back is one period; with one element it would be 0.
        period = ops.maximum(2 * (length - 1), 1)
        places = ops.mod(ops.arange(-self.padding, length + self.padding), period)
        return ops.minimum(places, period - places)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the output, None for sizes known only when the net runs."""
        batch, height, width, channels = input_shape
        sizes = (None if size is None else size + 2 * self.padding for size in (height, width))
        return (batch, *sizes, channels)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of this layer."""
        config: dict[str, Any] = super().get_config()
        return config | {"padding": self.padding}
