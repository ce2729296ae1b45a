"""The layers of a net as operations of an ONNX graph, on maps `float32[B, C, H, W]`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from fcn.exports.formats.onnx_graph import COLUMNS, ROWS, OnnxGraph, interpolate
from fcn.models import patches
from fcn.models.context import LowerBound
from fcn.models.reflection import ReflectionPadding
from fcn.models.resizing import ResizeLike, Shrink, size_ratio
from fcn.models.upsampling import CropLike
from fcn.models.vgg import ImageNormalization

_REMEDY = "Leave this format out, or add support in fcn/exports/formats/onnx_layers.py."


def add_layer(graph: OnnxGraph, layer: Any, inputs: Sequence[str]) -> str:
    """Adds a layer of Keras to a graph.

    Args:
        graph: The graph to add to.
        layer: A built layer for maps `[B, H, W, C]`.
        inputs: Names of its inputs, `float32[B, C, H, W]`.

    Returns:
        The name of its output, `float32[B, C, H, W]`.

    Raises:
        ValueError: If the layer or one of its settings is not supported here.

    Example:
        >>> add_layer(OnnxGraph("net"), keras.layers.ReLU(name="relu"), ["maps"])
        'relu/maps'
    """
    write = _WRITERS.get(type(layer))
    if write is None:
        known = ", ".join(sorted({kind.__name__ for kind in _WRITERS}))
        raise ValueError(
            f"format=onnx: expected layers among {known}. Received: {layer.name!r}, a "
            f"{type(layer).__name__}. {_REMEDY}"
        )
    return write(graph, layer, list(inputs))


def _maps(layer: Any) -> str:
    """Returns the name of a layer's output; not the layer's own, which may be that of the model's output."""
    return f"{layer.name}/maps"


def _check(layer: Any, expected: Mapping[str, Sequence[Any]]) -> None:
    """Refuses a layer with settings that are not supported here."""
    for name, wanted in expected.items():
        found = getattr(layer, name)
        if found not in wanted:
            raise ValueError(
                f"format=onnx: expected {name} among {wanted} in layer {layer.name!r}. Received: {found!r}. "
                f"{_REMEDY}"
            )


_SLIDING = {"data_format": ["channels_last"], "padding": ["same", "valid"]}
_CONVOLUTION = _SLIDING | {"activation": [keras.activations.linear]}


def _variable(graph: OnnxGraph, layer: Any, name: str, axes: Sequence[int] | None = None) -> str:
    """Adds a variable of a layer, in its order or with its axes in another, as `float32`."""
    variable = getattr(layer, name)
    axes = range(len(variable.shape)) if axes is None else axes

    def read() -> npt.NDArray[np.float32]:
        numbers: npt.NDArray[np.float32] = keras.ops.convert_to_numpy(variable)
        return numbers.astype(np.float32, copy=False).transpose(axes)

    return graph.weights([variable.shape[axis] for axis in axes], "float32", read, f"{layer.name}/{name}")


def _normalization(graph: OnnxGraph, layer: ImageNormalization, inputs: list[str]) -> str:
    images = inputs[0]
    if layer.channel_order == "bgr":
        images = graph.add("Gather", [images, graph.whole(2, 1, 0)], axis=1)
    mean, scale = (
        graph.constant(np.array(numbers, np.float32).reshape(1, 3, 1, 1), f"{layer.name}/{name}")
        for name, numbers in (("mean", layer.mean), ("scale", layer.scale))
    )
    return graph.add("Mul", [graph.add("Sub", [images, mean]), scale], _maps(layer))


def _halves(totals: Sequence[int]) -> list[int]:
    """Returns what of some rows and columns goes above, left, below, and right: the odd ones behind."""
    return [*(total // 2 for total in totals), *(total - total // 2 for total in totals)]


def _kernel_and_bias(graph: OnnxGraph, layer: Any) -> list[str]:
    # [rows, columns, in, out] -> [out, in, rows, columns]; of a transposed convolution in and out change
    # places, here and there.
    values = [_variable(graph, layer, "kernel", (3, 2, 0, 1))]
    if layer.use_bias:
        values.append(_variable(graph, layer, "bias"))
    return values


def _convolution(graph: OnnxGraph, layer: Any, inputs: list[str]) -> str:
    _check(layer, _CONVOLUTION | {"strides": [(1, 1)]})
    edges = [rate * (size - 1) for size, rate in zip(layer.kernel_size, layer.dilation_rate, strict=True)]
    return graph.add(
        "Conv",
        [*inputs, *_kernel_and_bias(graph, layer)],
        _maps(layer),
        kernel_shape=layer.kernel_size,
        dilations=layer.dilation_rate,
        group=layer.groups,
        pads=_halves(edges) if layer.padding == "same" else [0] * 4,
    )


def _transposed_convolution(graph: OnnxGraph, layer: Any, inputs: list[str]) -> str:
    _check(layer, _CONVOLUTION | {"dilation_rate": [(1, 1)], "output_padding": [None]})
    # Of all that the kernel reaches, padding "same" keeps as much as inputs times strides.
    surplus = [size - step for size, step in zip(layer.kernel_size, layer.strides, strict=True)]
    if min(surplus) < 0:
        raise ValueError(
            f"format=onnx: expected a kernel at least as large as its strides in layer {layer.name!r}. "
            f"Received: {layer.kernel_size} and {layer.strides}. {_REMEDY}"
        )
    return graph.add(
        "ConvTranspose",
        [*inputs, *_kernel_and_bias(graph, layer)],
        _maps(layer),
        kernel_shape=layer.kernel_size,
        strides=layer.strides,
        pads=_halves(surplus) if layer.padding == "same" else [0] * 4,
    )


def _batch_normalization(graph: OnnxGraph, layer: Any, inputs: list[str]) -> str:
    _check(layer, {"axis": [-1, 3]})
    channels = layer.moving_mean.shape[0]
    values = [
        _variable(graph, layer, "gamma") if layer.scale else graph.constant(np.ones(channels, np.float32)),
        _variable(graph, layer, "beta") if layer.center else graph.constant(np.zeros(channels, np.float32)),
        _variable(graph, layer, "moving_mean"),
        _variable(graph, layer, "moving_variance"),
    ]
    return graph.add("BatchNormalization", [*inputs, *values], _maps(layer), epsilon=layer.epsilon)


def _relu(graph: OnnxGraph, layer: Any, inputs: list[str]) -> str:
    _check(layer, {"max_value": [None], "negative_slope": [0], "threshold": [0]})
    return graph.add("Relu", inputs, _maps(layer))


def _max_pooling(graph: OnnxGraph, layer: Any, inputs: list[str]) -> str:
    _check(layer, _SLIDING)
    return graph.add(
        "MaxPool",
        inputs,
        _maps(layer),
        kernel_shape=layer.pool_size,
        strides=layer.strides,
        # Sizes are rounded up, and of an odd number of rows to add the larger half goes below: Keras' "same".
        auto_pad="SAME_UPPER" if layer.padding == "same" else "VALID",
    )


def _zero_padding(graph: OnnxGraph, layer: Any, inputs: list[str]) -> str:
    _check(layer, {"data_format": ["channels_last"]})
    (top, bottom), (left, right) = layer.padding
    return graph.add("Pad", [*inputs, graph.whole(0, 0, top, left, 0, 0, bottom, right)], _maps(layer))


def _reflection(graph: OnnxGraph, layer: ReflectionPadding, inputs: list[str]) -> str:
    # Place by place, as the layer does it: ONNX's own reflection takes no map smaller than its padding.
    maps = inputs[0]
    for axis in (ROWS, COLUMNS):
        length = graph.add("Squeeze", [graph.size(maps, axis)])
        one, two, padding = (graph.constant(np.array(number, np.int64)) for number in (1, 2, layer.padding))
        period = graph.add("Mul", [two, graph.add("Sub", [length, one])])
        period = graph.add("Max", [period, one])
        first = graph.constant(np.array(-layer.padding, np.int64))
        places = graph.add("Range", [first, graph.add("Add", [length, padding]), one])
        places = graph.add("Mod", [places, period])
        places = graph.add("Min", [places, graph.add("Sub", [period, places])])
        maps = graph.add("Gather", [maps, places], _maps(layer) if axis == COLUMNS else None, axis=axis)
    return maps


def _rescaling(graph: OnnxGraph, layer: Any, inputs: list[str]) -> str:
    scaled = graph.add("Mul", [*inputs, graph.real(layer.scale)])
    return graph.add("Add", [scaled, graph.real(layer.offset)], _maps(layer))


def _lower_bound(graph: OnnxGraph, layer: LowerBound, inputs: list[str]) -> str:
    return graph.add("Max", [*inputs, graph.real(layer.bound)], _maps(layer))


def _sum(graph: OnnxGraph, layer: Any, inputs: list[str]) -> str:
    return graph.add("Sum", inputs, _maps(layer))


def _crop(graph: OnnxGraph, layer: CropLike, inputs: list[str]) -> str:
    maps, partner = inputs
    first = graph.whole(layer.offset, layer.offset)
    stop = graph.add("Add", [first, graph.add("Shape", [partner], start=ROWS, end=COLUMNS + 1)])
    return graph.add("Slice", [maps, first, stop, graph.whole(ROWS, COLUMNS)], _maps(layer))


def _shrink(graph: OnnxGraph, layer: Shrink, inputs: list[str]) -> str:
    ratio = size_ratio(layer.scale)
    sizes = []
    for axis in (ROWS, COLUMNS):
        doubled = graph.add("Mul", [graph.size(inputs[0], axis), graph.whole(2 * ratio.numerator)])
        raised = graph.add("Add", [doubled, graph.whole(ratio.denominator)])
        size = graph.add("Div", [raised, graph.whole(2 * ratio.denominator)])
        sizes.append(graph.add("Max", [size, graph.whole(1)]))
    return interpolate(graph, inputs[0], sizes, _maps(layer))


def _resize(graph: OnnxGraph, layer: ResizeLike, inputs: list[str]) -> str:
    maps, partner = inputs
    return interpolate(graph, maps, [graph.size(partner, axis) for axis in (ROWS, COLUMNS)], _maps(layer))


_WRITERS: dict[type, Callable[[OnnxGraph, Any, list[str]], str]] = {
    ImageNormalization: _normalization,
    Shrink: _shrink,
    ResizeLike: _resize,
    CropLike: _crop,
    patches.Conv2D: _convolution,
    keras.layers.Conv2D: _convolution,
    patches.Conv2DTranspose: _transposed_convolution,
    keras.layers.Conv2DTranspose: _transposed_convolution,
    keras.layers.BatchNormalization: _batch_normalization,
    keras.layers.ReLU: _relu,
    LowerBound: _lower_bound,
    keras.layers.MaxPooling2D: _max_pooling,
    keras.layers.ZeroPadding2D: _zero_padding,
    ReflectionPadding: _reflection,
    keras.layers.Rescaling: _rescaling,
    keras.layers.Dropout: lambda _graph, _layer, inputs: inputs[0],
    keras.layers.Add: _sum,
}
"""The writer of each type of layer; not of its subclasses, which may compute something else."""
