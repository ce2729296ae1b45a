"""Reads the weights in an ONNX file: the binary protocol buffer `ModelProto` of onnx.proto, by field numbers.

Names of layers differ from exporter to exporter, so layers are numbered in the order in which the graph
applies them: `conv_0`, `conv_1`, ... and `dense_0`, ...
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.errors import RunError
from fcn.weights.formats.caffe import BYTES, VARINT, Field, Wire
from fcn.weights.layer import MAX_ARRAYS, MAX_AXES, Layer, damaged, read_values

# onnx.proto: ModelProto.ir_version = 1, graph = 7; GraphProto.node = 1, initializer = 5.
_IR_VERSION, _GRAPH = 1, 7
_NODE, _INITIALIZER = 1, 5
# NodeProto: input = 1, output = 2, op_type = 4, attribute = 5; AttributeProto: name = 1, i = 3.
_INPUT, _OUTPUT, _OPERATION, _ATTRIBUTE = 1, 2, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INTEGER = 1, 3
# TensorProto: dims = 1, data_type = 2, float_data = 4, name = 8, raw_data = 9, double_data = 10, and
# data_location = 14, where 1 means another file.
_DIMS, _TYPE, _FLOATS, _NAME, _RAW, _DOUBLES, _LOCATION = 1, 2, 4, 8, 9, 10, 14
_DTYPES = {1: "<f4", 10: "<f2", 11: "<f8"}
_LATEST_IR_VERSION = 100
_FIELDS_BEFORE_GRAPH = 50


class _Node(NamedTuple):
    """An operation of the graph: its type, the names of its tensors, and if its weights are `[out, in]`."""

    operation: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    transposes: bool


class _Tensor(NamedTuple):
    """Where the values of a tensor lie."""

    shape: tuple[int, ...]
    start: int
    length: int
    dtype: str


def is_onnx(file: BinaryIO, path: Path) -> bool:
    """Returns whether a file begins as a model in ONNX does: its version, and then a graph."""
    wire = Wire(file, path)
    position = 0
    try:
        for index in range(_FIELDS_BEFORE_GRAPH):
            # A graph that is cut off still shows that it is one.
            field = wire.field(position, 1 << 63)
            if index == 0 and not (
                (field.number, field.wire) == (_IR_VERSION, VARINT) and 1 <= field.value <= _LATEST_IR_VERSION
            ):
                return False
            if field.number == _GRAPH:
                return field.wire == BYTES
            position = field.end
    except RunError:
        pass
    return False


def read_onnx(path: Path) -> Iterator[Layer]:
    """Yields the convolutions and fully connected layers of a model, in the order of its graph.

    Kernels are `[out, in, height, width]`, and `[out, in]` of fully connected layers.

    Args:
        path: The `.onnx` file.

    Raises:
        RunError: If it is not whole, keeps its weights elsewhere or keeps channels last.
    """
    with path.open("rb") as file:
        wire = Wire(file, path)
        nodes: list[_Node] = []
        tensors: dict[str, _Tensor] = {}
        for field in wire.fields(0, wire.size):
            if field.number != _GRAPH or field.wire != BYTES:
                continue
            for inner in wire.fields(field.start, field.end):
                if inner.number == _NODE and inner.wire == BYTES:
                    nodes.append(_node(wire, inner))
                elif inner.number == _INITIALIZER and inner.wire == BYTES:
                    name, tensor = _initializer(wire, inner)
                    if tensor is not None:
                        tensors[name] = tensor
                if len(nodes) + len(tensors) > MAX_ARRAYS:
                    raise damaged(path, f"it has more than {MAX_ARRAYS} operations and arrays")
        yield from _layers(wire, nodes, tensors)


def _layers(wire: Wire, nodes: list[_Node], tensors: dict[str, _Tensor]) -> Iterator[Layer]:
    path, budget = wire.path, wire.size
    added = {
        name: node.inputs for node in nodes if node.operation == "Add" for name in node.inputs
    }  # by what is added to
    for node in nodes:  # PyTorch writes equal arrays once, and this operation for the others
        if node.operation == "Identity" and node.inputs[:1] and node.inputs[0] in tensors:
            tensors[node.outputs[0]] = tensors[node.inputs[0]]
    convolutions = dense = 0
    for node in nodes:
        weights = next((tensors[name] for name in node.inputs[1:2] if name in tensors), None)
        if node.operation == "Transpose" and convolutions and not dense:
            raise RunError(
                f"{path}: keeps channels last in front of its fully connected layers. Import the file from "
                "which it was converted."
            )
        if weights is None or node.operation not in ("Conv", "Gemm", "MatMul"):
            continue
        biases = node.inputs[2:3]
        if node.operation == "MatMul":
            biases = tuple(name for name in added.get(node.outputs[0], ()) if name in tensors)
        # Each operation may name the same tensors.
        budget -= weights.length + sum(tensors[bias].length for bias in biases if bias in tensors)
        if budget < 0:
            raise damaged(path, "its layers are larger than the file")
        kernel = _read(wire, weights)
        if node.operation == "Conv":
            name, convolutions = f"conv_{convolutions}", convolutions + 1
        else:
            name, dense = f"dense_{dense}", dense + 1
            kernel = kernel if node.transposes else kernel.T
        blobs = [kernel, *(_read(wire, tensors[bias]) for bias in biases if bias in tensors)]
        yield Layer(name, node.operation, tuple(blobs))
        # Or it would be in memory beside the next one.
        del kernel, blobs


def _node(wire: Wire, node: Field) -> _Node:
    operation, inputs, outputs, transposes = "", [], [], False
    for field in wire.fields(node.start, node.end):
        if field.wire != BYTES:
            continue
        if field.number == _INPUT:
            inputs.append(wire.text(field))
        elif field.number == _OUTPUT:
            outputs.append(wire.text(field))
        elif field.number == _OPERATION:
            operation = wire.text(field)
        elif field.number == _ATTRIBUTE:
            transposes = transposes or _is_set(wire, field, "transB")
    return _Node(operation, tuple(inputs), tuple(outputs) or ("",), transposes)


def _is_set(wire: Wire, attribute: Field, wanted: str) -> bool:
    """Returns whether an attribute has a name and is not zero."""
    name, value = "", 0
    for field in wire.fields(attribute.start, attribute.end):
        if field.number == _ATTRIBUTE_NAME and field.wire == BYTES:
            name = wire.text(field)
        elif field.number == _ATTRIBUTE_INTEGER and field.wire == VARINT:
            value = field.value
    return name == wanted and value != 0


def _initializer(wire: Wire, tensor: Field) -> tuple[str, _Tensor | None]:
    """Returns the name of a tensor, and where its values lie; None if they are not floats."""
    name, kind, shape = "", 0, []
    values: Field | None = None
    for field in wire.fields(tensor.start, tensor.end):
        if field.number == _DIMS:
            shape += list(wire.repeated_varint(field))[: MAX_AXES + 1]
            if len(shape) > MAX_AXES:
                raise damaged(wire.path, f"the tensor at byte {tensor.start} has more than {MAX_AXES} axes")
        elif field.number == _TYPE and field.wire == VARINT:
            kind = field.value
        elif field.number == _NAME and field.wire == BYTES:
            name = wire.text(field)
        elif field.number in (_RAW, _FLOATS, _DOUBLES) and field.wire == BYTES:
            values = field
        elif field.number == _LOCATION and field.value == 1:
            raise RunError(
                f"{wire.path}: keeps weights in another file. Save the model again, with all of them in one."
            )
    if kind not in _DTYPES or values is None:
        return name, None
    dtype = _DTYPES[kind]
    count, rest = divmod(values.end - values.start, np.dtype(dtype).itemsize)
    if rest or count != math.prod(shape):
        raise damaged(wire.path, f"the tensor {name[:80]!r} does not have the values of its shape")
    return name, _Tensor(tuple(shape), values.start, count, dtype)


def _read(wire: Wire, tensor: _Tensor) -> npt.NDArray[np.float32]:
    return read_values(wire.file, wire.path, tensor.start, tensor.length, tensor.dtype).reshape(tensor.shape)
