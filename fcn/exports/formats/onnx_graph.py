"""An ONNX graph that grows operation by operation, and is written weight by weight."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fcn.errors import BackendError
from fcn.system.optional import import_optional
from fcn.system.protobuf import field_head

Numbers = npt.NDArray[Any]

OPSET = 17
"""Version of the operators: runtimes have known it since 2022, and nothing here needs a later one."""

ROWS, COLUMNS = 2, 3
"""Axes of a map [B, C, H, W], which is how ONNX lays them out."""

_LARGEST_FILE = 2**31 - 1
"""Bytes of a message of Protocol Buffers, which a file in this form is."""


def import_onnx() -> Any:
    """Returns the package `onnx`.

    Raises:
        BackendError: If it is not installed.
    """
    return import_optional("onnx", "format=onnx", "onnx")


class OnnxGraph:
    """A model under construction, whose values go by their names.

    Args:
        name: Name of the graph.

    Raises:
        BackendError: If `onnx` is not installed.

    Example:
        >>> graph = OnnxGraph("sum")
        >>> graph.add("Add", [graph.whole(1), graph.whole(2)], "three")
        'three'
    """

    def __init__(self, name: str) -> None:
        self._onnx = import_onnx()
        self._graph = self._onnx.GraphProto(name=name)
        self._weights: list[tuple[Any, Callable[[], Numbers]]] = []

    def add_input(self, name: str, dtype: str, shape: Sequence[str | int]) -> None:
        """Declares an input of the model: its type by NumPy's name, its sides by length or by a word."""
        self._graph.input.append(self._declared(name, dtype, shape))

    def add_output(self, name: str, dtype: str, shape: Sequence[str | int]) -> None:
        """Declares an output of the model."""
        self._graph.output.append(self._declared(name, dtype, shape))

    def add(self, operator: str, inputs: Sequence[str], name: str | None = None, **attributes: Any) -> str:
        """Adds an operation with one output, and returns its name."""
        name = name or f"{operator.lower()}_{len(self._graph.node)}"
        node = self._onnx.helper.make_node(operator, inputs, [name], name=f"{name}/{operator}", **attributes)
        self._graph.node.append(node)
        return name

    def cast(self, value: str, dtype: str, name: str | None = None) -> str:
        """Adds a conversion to a type, by NumPy's name of it."""
        return self.add("Cast", [value], name, to=self._kind(dtype))

    def weights(
        self, shape: Sequence[int], dtype: str, read: Callable[[], Numbers], name: str | None = None
    ) -> str:
        """Adds numbers that are read when the file is written, and returns their name."""
        name = name or f"numbers_{len(self._weights)}"
        tensor = self._onnx.TensorProto(name=name, data_type=self._kind(dtype), dims=shape)
        self._weights.append((tensor, read))
        return name

    def constant(self, values: Numbers, name: str | None = None) -> str:
        """Adds numbers, and returns their name."""
        return self.weights(values.shape, values.dtype.name, lambda: values, name)

    def real(self, number: float) -> str:
        """Adds a number, `float32[]`."""
        return self.constant(np.array(number, np.float32))

    def whole(self, *numbers: int) -> str:
        """Adds whole numbers, `int64[n]`."""
        return self.constant(np.array(numbers, np.int64))

    def size(self, maps: str, axis: int) -> str:
        """Adds the length of an axis of maps, `int64[1]`."""
        return self.add("Shape", [maps], start=axis, end=axis + 1)

    def write(self, path: Path) -> None:
        """Writes the model as a file.

        One weight after another, since Protocol Buffers' own writer holds all of them three times.

        Raises:
            BackendError: If it would be larger than such a file can be.
            OSError: If it cannot be written.
        """
        onnx = self._onnx
        opset = onnx.helper.make_opsetid("", OPSET)
        model = onnx.ModelProto(
            producer_name="fcn",
            ir_version=onnx.helper.find_min_ir_version_for([opset]),
            opset_import=[opset],
        ).SerializeToString()
        graph = self._graph.SerializeToString()
        heads = [self._head(tensor) for tensor, _ in self._weights]
        sizes = [self._data_bytes(tensor) for tensor, _ in self._weights]
        graph_bytes = len(graph) + sum(map(len, heads)) + sum(sizes)
        if len(model) + graph_bytes > _LARGEST_FILE - 16:  # what field_head adds
            raise BackendError(
                f"{path}: the weights take {sum(sizes) / 1e9:.1f} GB. Expected at most "
                f"{_LARGEST_FILE / 1e9:.1f}, all that such a file can hold. Leave this format out."
            )
        with path.open("wb") as file:
            file.write(model + field_head(onnx.ModelProto.GRAPH_FIELD_NUMBER, graph_bytes) + graph)
            for head, (_, read) in zip(heads, self._weights, strict=True):
                file.write(head)
                values = read()
                file.write(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).data)

    def _head(self, tensor: Any) -> bytes:
        """Returns the bytes before the numbers of a weight."""
        onnx = self._onnx
        size = self._data_bytes(tensor)
        head: bytes = tensor.SerializeToString() + field_head(onnx.TensorProto.RAW_DATA_FIELD_NUMBER, size)
        return field_head(onnx.GraphProto.INITIALIZER_FIELD_NUMBER, len(head) + size) + head

    def _data_bytes(self, tensor: Any) -> int:
        dtype = self._onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        return int(math.prod(tensor.dims) * dtype.itemsize)

    def _declared(self, name: str, dtype: str, shape: Sequence[str | int]) -> Any:
        return self._onnx.helper.make_tensor_value_info(name, self._kind(dtype), shape)

    def _kind(self, dtype: str) -> int:
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def interpolate(graph: OnnxGraph, maps: str, sizes: Sequence[str], name: str) -> str:
    """Adds what `fcn.models.resizing` does: linear interpolation, over more pixels the smaller maps become.

    As products with the weights of all inputs for each output, the way Keras computes it, and not as
    `Resize`: not every runtime knows that one with `antialias`, without which it is another interpolation.

    Args:
        graph: The graph to add to.
        maps: Name of `float32[B, C, H, W]`.
        sizes: Names of the new height and width, each `int64[1]`.
        name: Of the result, `float32[B, C, height, width]`.
    """
    rows = _taps(graph, graph.size(maps, ROWS), sizes[0])
    columns = graph.add("Transpose", [_taps(graph, graph.size(maps, COLUMNS), sizes[1])], perm=[1, 0])
    return graph.add("MatMul", [graph.add("MatMul", [rows, maps]), columns], name)


def _taps(graph: OnnxGraph, length: str, new_length: str) -> str:
    """Adds the weight of each input for each output, `float32[new_length, length]`.

    A triangle as wide as the distance between outputs, but at least between inputs, lies on the center of
    each output. In float32 and in Keras' order, because places far from the start are rounded.
    """
    one, half = graph.real(1), graph.real(0.5)
    factor = graph.add("Div", [graph.cast(new_length, "float32"), graph.cast(length, "float32")])
    spacing = graph.add("Div", [one, factor])
    reach = graph.add("Max", [spacing, one])
    centers = graph.add("Add", [_places(graph, new_length), half])
    centers = graph.add("Sub", [graph.add("Mul", [centers, spacing]), half])
    column = graph.add("Unsqueeze", [centers, graph.whole(1)])
    distance = graph.add("Abs", [graph.add("Sub", [column, _places(graph, length)])])
    falling = graph.add("Sub", [one, graph.add("Div", [distance, reach])])
    weights = graph.add("Max", [graph.real(0), falling])
    total = graph.add("ReduceSum", [weights, graph.whole(1)], keepdims=1)
    return graph.add("Div", [weights, total])


def _places(graph: OnnxGraph, length: str) -> str:
    """Adds 0, 1, ... up to in front of a length, `float32[length]`."""
    first, step = (graph.constant(np.array(number, np.int64)) for number in (0, 1))
    return graph.cast(graph.add("Range", [first, graph.add("Squeeze", [length]), step]), "float32")
