"""Layers that make images smaller, and bring logits back to the size of the image."""

from fractions import Fraction
from typing import Any

import keras

# Fractions this fine give the sizes of images up to 100,000 pixels a side within 32 bits.
_LARGEST_DENOMINATOR = 10_000


def size_ratio(scale: float) -> Fraction:
    """Returns a scale as a ratio of whole numbers.

    Example:
        >>> size_ratio(0.35)
        Fraction(7, 20)
    """
    return Fraction(scale).limit_denominator(_LARGEST_DENOMINATOR)


def shrunk_size(size: Any, scale: float) -> Any:
    """Returns the height or width of an image after shrinking, at least 1.

    It is computed in whole numbers, so that a graph, every backend and Python round alike where
    `size * scale` is half way between two.

    Args:
        size: A number, or a tensor with one.
        scale: Size of the smaller image relative to the larger, above 0 and at most 1.

    Example:
        >>> shrunk_size(50, 0.37)
        19
    """
    ratio = size_ratio(scale)
    rounded = (2 * ratio.numerator * size + ratio.denominator) // (2 * ratio.denominator)
    return max(1, rounded) if isinstance(size, int) else keras.ops.maximum(rounded, 1)


@keras.saving.register_keras_serializable(package="fcn")
class Shrink(keras.layers.Layer):  # type: ignore[misc]
    """A layer that makes images smaller, with an antialiasing filter.

    Input: `[B, H, W, C]`. Output: `float[B, round(H * scale), round(W * scale), C]`, at least one row and
    column.

    Args:
        scale: Size of the output relative to the input, above 0 and at most 1.

    Raises:
        ValueError: If `scale` is outside this range.

    Example:
        >>> Shrink(0.5).compute_output_shape((1, 6, 4, 3))
        (1, 3, 2, 3)
    """

    def __init__(self, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 < scale <= 1:
            raise ValueError(f"Expected a `scale` above 0 and at most 1. Received: scale={scale}.")
        self.scale = scale

    def call(self, images: Any) -> Any:
        """Returns the smaller images."""
        height, width = keras.ops.shape(images)[1:3]
        images = keras.ops.cast(images, self.compute_dtype)
        return _interpolate(images, shrunk_size(height, self.scale), shrunk_size(width, self.scale))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the output, None for sizes known only when the net runs."""
        batch, height, width, channels = input_shape
        sizes = (None if size is None else shrunk_size(size, self.scale) for size in (height, width))
        return (batch, *sizes, channels)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of this layer."""
        config: dict[str, Any] = super().get_config()
        return config | {"scale": self.scale}


@keras.saving.register_keras_serializable(package="fcn")
class ResizeLike(keras.layers.Layer):  # type: ignore[misc]
    """A layer that interpolates a map to the height and width of its partner.

    Call arguments: `[x, partner]`, `float[B, H, W, C]` and `[B, H', W', ...]`. Output: `float[B, H', W', C]`,
    linear between the centers of the pixels of `x`.
    """

    def call(self, inputs: list[Any]) -> Any:
        """Returns the first input at the size of the second."""
        x, partner = inputs
        return _interpolate(x, *keras.ops.shape(partner)[1:3])

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Returns the shape of the output, None for sizes known only when the net runs."""
        x, partner = input_shape
        return (x[0], partner[1], partner[2], x[3])


def _interpolate(x: Any, height: Any, width: Any) -> Any:
    """Interpolates `x` linearly to any size, with antialiasing where it becomes smaller."""
    ops = keras.ops
    batch, rows, columns, channels = ops.shape(x)
    factors = [
        ops.cast(new, "float32") / ops.cast(old, "float32") for new, old in ((height, rows), (width, columns))
    ]
    # Not ops.image.resize, which asks whether sizes are positive, and an exported graph cannot say.
    return ops.image.scale_and_translate(
        x,
        (batch, height, width, channels),
        ops.stack(factors),
        ops.zeros(2),
        (1, 2),
        "linear",
        antialias=True,
    )
