"""Finds the layers of a net in OpenVINO's graph, whose names do not tell them.

When OpenVINO turns a graph of TensorFlow channels first, most operations lose their names. What stays is how
they follow from each other: an operation is the layer of the same kind that follows from the same ones.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import keras

from fcn.inspection.cost import multiply_adds
from fcn.inspection.graph import Node
from fcn.inspection.layer_operations import steps_of

_PRODUCTS = ("Convolution", "ConvolutionBackpropData", "GroupConvolution", "MatMul")
_KINDS = {"MaxPool": "pooling", "Relu": "activation"}
_SUM, _SHAPE, _IMAGE, _CONSTANT = "Add", "ShapeOf", "Parameter", "Constant"

_Numbers = dict[tuple[str, frozenset[int]], int]
"""The number of what is of a kind and follows from what has these numbers."""


class _Followed(NamedTuple):
    """What an operation or a layer follows from: numbers of what has the same place in both graphs.

    Attributes:
        behind: Those that its map comes from, without others between.
        own: Its own number; None for a kind that is not matched.
    """

    behind: frozenset[int]
    own: int | None = None

    @property
    def passed_on(self) -> frozenset[int]:
        """What comes next follows from these."""
        return self.behind if self.own is None else frozenset([self.own])


def find_layers(model: Any, nodes: Sequence[Node]) -> dict[str, str]:
    """Returns the layer that an operation computes, by the name of the operation.

    Args:
        model: `openvino.Model` of the net.
        nodes: The layers, as `read_graph` returns them.
    """
    numbers: _Numbers = {}
    layers = _number_layers(nodes, numbers)
    found: dict[str, _Followed] = {}
    for operation in model.get_ordered_ops():
        kind, name = operation.get_type_name(), operation.get_friendly_name()
        if kind == _IMAGE:
            found[name] = _Followed(frozenset())
        if kind in (_IMAGE, _SHAPE, _CONSTANT):
            continue  # a size does not follow from the map that has it
        sources = [one.get_node().get_friendly_name() for one in operation.input_values()]
        maps = [found[source] for source in sources if source in found]
        if maps:
            found[name] = _follow(_kind_of_operation(operation, len(maps)), maps, numbers)
    return {name: layers[one.own] for name, one in found.items() if one.own in layers}


def _number_layers(nodes: Sequence[Node], numbers: _Numbers) -> dict[int | None, str]:
    """Numbers the layers; returns their names by number."""
    found: list[_Followed] = []
    names: dict[int | None, str] = {}
    for node in nodes:
        steps = steps_of(node.layer, node.input_shapes, node.output_shape) if node.inputs else []
        maps = [
            found[source]
            for index, source in enumerate(node.inputs)
            if steps is None or steps[index] is not None  # a map that only lends its size
        ]
        found.append(_follow(_kind_of_layer(node), maps, numbers))
        if found[-1].own is not None:
            names.setdefault(found[-1].own, node.layer.name)
    return names


def _follow(kind: str | None, maps: Iterable[_Followed], numbers: _Numbers) -> _Followed:
    behind = frozenset[int]().union(*(one.passed_on for one in maps))
    return _Followed(behind, None if kind is None else numbers.setdefault((kind, behind), len(numbers)))


def _kind_of_operation(operation: Any, num_maps: int) -> str | None:
    """Returns what is matched; None for other operations.

    Args:
        operation: The operation.
        num_maps: How many of its inputs follow from the image.
    """
    kind = operation.get_type_name()
    if kind == _SUM and num_maps > 1:
        return "sum"
    if kind not in _PRODUCTS:
        return _KINDS.get(kind)
    kernel = operation.input_value(1).get_partial_shape()
    # Resizing multiplies with what it computes from the size of the image.
    return None if kernel.is_dynamic else _product(math.prod(kernel.to_shape()))


def _kind_of_layer(node: Node) -> str | None:
    """Returns what is matched; None for other layers."""
    layers = keras.layers
    if isinstance(node.layer, layers.MaxPooling2D):
        return "pooling"
    if isinstance(node.layer, layers.ReLU | layers.Activation):
        return "activation"
    if isinstance(node.layer, layers.Add):
        return "sum"
    return _product(math.prod(node.layer.kernel.shape)) if multiply_adds(node) else None


def _product(num_weights: int) -> str:
    """Returns the kind of a product; the same map may be multiplied with several kernels."""
    return f"product with {num_weights}"
