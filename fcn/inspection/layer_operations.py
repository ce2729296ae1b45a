"""Finds the steps of a Keras layer: its kernels, strides and paddings along each axis."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import keras

from fcn.models.axis_operations import Resizing, Sliding, Step, Transposing
from fcn.models.context import LowerBound
from fcn.models.fully_connected import ELEMENTWISE
from fcn.models.reflection import ReflectionPadding
from fcn.models.resizing import ResizeLike, Shrink
from fcn.models.upsampling import CropLike
from fcn.models.vgg import ImageNormalization

Shape = tuple[int, ...]
"""`(batch, *sizes, channels)`."""

Steps = tuple[Step, ...]
"""One step for each axis of the image."""

LayerSteps = list[Steps | None] | None
"""For each input of a layer the steps along each axis, or None for one that lends only its size.

It is None as a whole for a layer of an unknown kind.
"""

layers = keras.layers
CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
_POOLING = (
    *(layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D),
    *(layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D),
)
_PADDING = (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)
_CROPPING = (layers.Cropping1D, layers.Cropping2D, layers.Cropping3D)
_UPSAMPLING = (layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D)


def _operations(*functions: Callable[..., Any]) -> tuple[type, ...]:
    """Returns the classes of the operations that these functions of two maps become in a model."""
    # Keras has public names for the functions, but not for the classes.
    map_ = keras.KerasTensor((1, 1, 1))
    return tuple(type(function(map_, map_)._keras_history.operation) for function in functions)


_PAIRWISE = _operations(
    *(keras.ops.add, keras.ops.subtract, keras.ops.multiply, keras.ops.divide, keras.ops.true_divide),
    *(keras.ops.maximum, keras.ops.minimum),
)
MERGING = (
    *(layers.Add, layers.Average, layers.Maximum, layers.Minimum, layers.Multiply, layers.Subtract),
    layers.Concatenate,
    *_PAIRWISE,
)
"""Layers and operations that join maps place by place."""
_PLACE_BY_PLACE = (
    *(*ELEMENTWISE, LowerBound),
    *(layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D),
    *(layers.Rescaling, layers.Dense, layers.Normalization, layers.PReLU, ImageNormalization),
)
_WITH_AXIS = (layers.BatchNormalization, layers.Softmax, layers.LayerNormalization)


def steps_of(layer: Any, inputs: Sequence[Shape], output: Shape) -> LayerSteps:
    """Returns how a layer makes its output from each of its inputs.

    Args:
        layer: A layer or an operation of a functional Keras model.
        inputs: Shapes of the maps it is called with.
        output: Shape of the map it returns.

    Example:
        >>> steps_of(keras.layers.Conv1D(1, 3, padding="causal", dilation_rate=4), [(1, 9, 1)], (1, 9, 1))
        [(Sliding(kernel_size=3, strides=1, padding=8, dilation_rate=4),)]
    """
    if getattr(layer, "data_format", None) == "channels_first" or len(output) < 3:
        return None
    if isinstance(layer, (CropLike, ResizeLike)):
        return [_like_partner(layer, inputs[0], output), None]
    if isinstance(layer, MERGING):
        return _merged(layer, inputs, output)
    found = _single(layer, inputs[0], output) if len(inputs) == 1 else None
    return None if found is None else [found]


def _single(layer: Any, shape: Shape, output: Shape) -> Steps | None:
    """Returns the steps of a layer with one input."""
    rank = len(shape) - 2
    if isinstance(layer, (*CONVOLUTIONS, *DEPTHWISE, *SEPARABLE)):
        return _slid(shape, layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding)
    if isinstance(layer, TRANSPOSED):
        return _transposed(layer, shape, output)
    if isinstance(layer, _POOLING):
        return _slid(shape, layer.pool_size, layer.strides, 1, layer.padding)
    if isinstance(layer, (*_PADDING, *_CROPPING)):
        sign = 1 if isinstance(layer, _PADDING) else -1
        edges = layer.padding if isinstance(layer, _PADDING) else layer.cropping
        pairs = (edges,) if rank == 1 else edges
        return tuple(Sliding(padding=sign * front) for front, _ in pairs)
    if isinstance(layer, ReflectionPadding):
        return (Sliding(padding=layer.padding),) * rank
    if isinstance(layer, _UPSAMPLING):
        sizes = _each(layer.size, rank)
        if getattr(layer, "interpolation", "nearest") == "nearest":
            return tuple(Transposing(size, size) for size in sizes)
        return _resized(shape, output) if layer.interpolation == "bilinear" else None
    if isinstance(layer, layers.Resizing):
        simple = not (layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio)
        return _resized(shape, output) if simple and layer.interpolation == "bilinear" else None
    if isinstance(layer, Shrink):
        return _resized(shape, output, filtered=True)
    if isinstance(layer, _WITH_AXIS):
        axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
        if list(axes) not in ([-1], [len(shape) - 1]):
            return None
        return (Sliding(),) * rank
    return (Sliding(),) * rank if isinstance(layer, _PLACE_BY_PLACE) else None


def _each(value: Any, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)


def _slid(shape: Shape, kernel_size: Any, strides: Any, dilation_rate: Any, padding: str) -> Steps:
    """Returns the steps of a convolution or a pooling; padding "same" depends on the size of the map."""
    sizes = shape[1:-1]
    numbers = zip(sizes, *(_each(x, len(sizes)) for x in (kernel_size, strides, dilation_rate)), strict=True)
    found = []
    for size, kernel, stride, dilation in numbers:
        reach = dilation * (kernel - 1)
        # The padding that the last output needs, half of it in front; an odd one goes to the end.
        missing = max(0, (-(-size // stride) - 1) * stride + reach + 1 - size)
        front = {"same": missing // 2, "causal": reach, "valid": 0}[padding]
        found.append(Sliding(kernel, stride, front, dilation))
    return tuple(found)


def _transposed(layer: Any, shape: Shape, output: Shape) -> Steps:
    """Returns the steps of a transposed convolution: the convolution from its output back to its input."""
    rank = len(shape) - 2
    if layer.padding == "valid":
        front = (0,) * rank
    else:
        back = _slid(output, layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding)
        front = tuple(step.padding for step in back if isinstance(step, Sliding))
    numbers = (layer.kernel_size, layer.strides, front, layer.dilation_rate)
    return tuple(Transposing(*one) for one in zip(*(_each(x, rank) for x in numbers), strict=True))


def _resized(shape: Shape, output: Shape, filtered: bool = False) -> Steps:
    """Returns the steps of linear interpolation.

    Args:
        shape: Shape of the input map.
        output: Shape of the output map.
        filtered: Whether there is an antialiasing filter where the output is smaller.
    """
    scales = [Fraction(after, before) for before, after in zip(shape[1:-1], output[1:-1], strict=True)]
    return tuple(
        Resizing(scale, max(Fraction(1), 1 / scale) if filtered else Fraction(1)) for scale in scales
    )


def _like_partner(layer: Any, shape: Shape, output: Shape) -> Steps:
    if isinstance(layer, ResizeLike):
        return _resized(shape, output, filtered=True)
    return (Sliding(padding=-layer.offset),) * (len(shape) - 2)


def _merged(layer: Any, inputs: Sequence[Shape], output: Shape) -> LayerSteps:
    """Returns the steps of a layer that joins maps of one size, place by place."""
    if any(shape[1:-1] != output[1:-1] for shape in inputs):
        return None
    if isinstance(layer, layers.Concatenate) and layer.axis not in (-1, len(output) - 1):
        return None
    return [(Sliding(),) * (len(output) - 2) for _ in inputs]
