"""Upsampling of scores by transposed convolutions that start as bilinear interpolation."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from fcn.models import patches


def bilinear_kernel(stride: int) -> npt.NDArray[np.float32]:
    """Returns the weights that interpolate linearly between neighboring scores.

    A transposed convolution with these weights, `strides` = `stride` and padding "same" puts the
    centers of its output pixels where bilinear resizing does (half-pixel centers).

    Args:
        stride: Upsampling factor, in output pixels per input pixel. Even, at least 2.

    Returns:
        `float32[2 * stride, 2 * stride]`, symmetric; the weights that reach one output pixel sum to 1.

    Raises:
        ValueError: If `stride` is odd or below 2.

    Example:
        >>> bilinear_kernel(2)[0]
        array([0.0625, 0.1875, 0.1875, 0.0625], dtype=float32)
    """
    if stride < 2 or stride % 2:
        raise ValueError(f"Expected an even `stride` >= 2. Received: stride={stride}.")
    # An even kernel has its center between two taps, half a pixel from each.
    distance = np.abs(np.arange(2 * stride) - (2 * stride - 1) / 2) / stride
    weights = 1 - distance
    return np.outer(weights, weights).astype(np.float32)


@keras.saving.register_keras_serializable(package="fcn")
class Bilinear(keras.initializers.Initializer):  # type: ignore[misc]
    """An initializer with which a `Conv2DTranspose` interpolates the scores of each class bilinearly."""

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Returns a kernel `[2 * stride, 2 * stride, C, C]`: bilinear on the diagonal, zero elsewhere."""
        height, width, outputs, inputs = shape
        if height != width or outputs != inputs:
            raise ValueError(f"Expected a square kernel from C to C channels. Received: shape={shape}.")
        kernel = np.zeros(shape, np.float32)
        channels = np.arange(inputs)
        kernel[:, :, channels, channels] = bilinear_kernel(height // 2)[:, :, np.newaxis]
        return keras.ops.convert_to_tensor(kernel, dtype=dtype)


@keras.saving.register_keras_serializable(package="fcn")
class CropLike(keras.layers.Layer):  # type: ignore[misc]
    """A layer that crops a map to the height and width of its partner.

    Call arguments: `[x, partner]`, `float[B, H, W, C]` and `[B, H', W', ...]` with H' + `offset` <= H,
    W' + `offset` <= W. Output: `[B, H', W', C]`.

    Args:
        offset: Elements cut off at the top and on the left; the rest is cut off at the bottom and right.
    """

    def __init__(self, offset: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.offset = offset

    def call(self, inputs: list[Any]) -> Any:
        """Returns the part of the first input that the second one covers."""
        x, partner = inputs
        height, width = keras.ops.shape(partner)[1:3]
        first = self.offset
        return x[:, first : first + height, first : first + width, :]

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Returns the shape of the output, None for sizes known only when the net runs."""
        x, partner = input_shape
        return (x[0], partner[1], partner[2], x[3])

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of this layer."""
        config: dict[str, Any] = super().get_config()
        return config | {"offset": self.offset}


def upscore(
    scores: Any, stride: int, num_classes: int, trainable: bool, name: str, padding: str = "same"
) -> Any:
    """Upsamples a score map with a transposed convolution that starts as bilinear interpolation.

    Args:
        scores: `float[B, H, W, num_classes]`.
        stride: Upsampling factor; the kernel is twice as large.
        num_classes: Channels in and out.
        trainable: Whether training changes its weights.
        name: Layer name: `upscore2`, `upscore_pool4`, `upscore8`, ...
        padding: "same", or "valid" for every output that the kernel reaches.

    Returns:
        `float[B, stride * H, stride * W, num_classes]`; with "valid" `stride` more rows and columns.
    """
    return patches.Conv2DTranspose(
        num_classes,
        2 * stride,
        strides=stride,
        padding=padding,
        use_bias=False,
        kernel_initializer=Bilinear(),
        trainable=trainable,
        name=name,
    )(scores)
