"""Output, receptive field and cost of each layer of a net, for an image of one size."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import keras
import numpy as np

from fcn.inference.engines.engine import NetEngine
from fcn.inspection.cost import OPERATIONS_PER_MULTIPLY_ADD, multiply_adds
from fcn.inspection.graph import Node, read_graph
from fcn.inspection.layer_operations import LayerSteps, Steps, steps_of
from fcn.inspection.timing.measure import measure_times
from fcn.inspection.timing.times import Times
from fcn.models.axis_operations import Chart, Source, Span, grids, seen_by, seen_by_neighbors
from fcn.models.context import CONTEXT_LAYERS


class ReceptiveField(NamedTuple):
    """The receptive field of a map's elements along one axis.

    Attributes:
        stride: Pixels from one element to the next.
        size: Pixels from the first to the last that an element sees, for the element that sees most.
        first: First pixel that element 0 sees, from the image's first; below 0 in the padding.
        center: Place of element 0, in pixels from the center of the image's first.
    """

    stride: Fraction
    size: int
    first: int
    center: Fraction


class LayerFacts(NamedTuple):
    """Facts about one layer of a net.

    Attributes:
        name: Name of the layer.
        kind: Name of its class.
        output_shape: `(1, *sizes, channels)` of its output map.
        fields: Receptive field of the map's elements, for each axis; None if unknown.
        parameters: Number of its parameters; 0 from the second use of the layer on.
        trainable_parameters: Number of the parameters that training changes.
        multiply_adds: Products that are added up, for one image; None if unknown.
        activation_bytes: Bytes of the map.
        steps: How its output follows from its first input, for each axis; None if unknown.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    fields: tuple[ReceptiveField, ...] | None
    parameters: int
    trainable_parameters: int
    multiply_adds: int | None
    activation_bytes: int
    steps: Steps | None

    @property
    def gflop(self) -> float | None:
        """Billions of operations for one image, two for each multiply-add."""
        if self.multiply_adds is None:
            return None
        return OPERATIONS_PER_MULTIPLY_ADD * self.multiply_adds / 1e9


class Inspection(NamedTuple):
    """Facts about a net and its layers.

    Attributes:
        name: Name of the net.
        size: Sizes of the image, (height, width) or (length,).
        layers: The layers in the order they compute; the first is the image.
        peak_bytes: Most bytes of maps that are needed at one time while an image is labeled, if each is kept
            until it is read for the last time. Real programs need some more.
        context_field: Number of scores in a row that the context module sees; None for nets without one.
        times: How long each layer took on an engine; None if that was not measured.
    """

    name: str
    size: tuple[int, ...]
    layers: tuple[LayerFacts, ...]
    peak_bytes: int
    context_field: int | None = None
    times: Times | None = None

    @property
    def parameters(self) -> int:
        """Number of parameters of all layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def trainable_parameters(self) -> int:
        """Number of parameters that training changes."""
        return sum(layer.trainable_parameters for layer in self.layers)

    @property
    def gflop(self) -> float:
        """Billions of operations for one image, in all layers that can be counted."""
        return sum(layer.gflop or 0 for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """Bytes of all maps for one image, as training keeps them."""
        return sum(layer.activation_bytes for layer in self.layers)

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Names of the layers with an unknown number of operations."""
        return tuple(layer.name for layer in self.layers if layer.multiply_adds is None)

    @property
    def field(self) -> tuple[ReceptiveField, ...] | None:
        """Receptive field of the last map's elements, for each axis."""
        return self.layers[-1].fields


def inspect_model(model: keras.Model, size: Sequence[int], timed_on: NetEngine | None = None) -> Inspection:
    """Derives output, receptive field and cost of each layer of a model, without running it.

    Args:
        model: A functional or Sequential Keras model from one image to one map. For layers of unknown kinds,
            shapes and parameters are derived; their fields, and those of later layers, stay unknown.
        size: Sizes of an image, (height, width) or (length,).
        timed_on: An engine of this model, such as `open_engine(model, "openvino", "bfloat16")`, on which it
            labels an image several times to measure how long each layer takes; None to measure nothing.

    Raises:
        BackendError: If this engine does not tell the time of its operations.
        RunError: If the model cannot be followed, or does not take images of that size.

    Example:
        >>> net = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(8, 3, 2)])
        >>> layer = inspect_model(net, (9, 9)).layers[-1]
        >>> layer.output_shape, layer.fields[0].size, layer.parameters, layer.multiply_adds
        ((1, 4, 4, 8), 3, 224, 3456)
    """
    nodes = read_graph(model, tuple(size))
    steps = [_steps(node) for node in nodes]
    by_axis = charts(nodes, len(size))
    fields = _fields(by_axis)
    counted: set[int] = set()
    layers = []
    for node, how, field in zip(nodes, steps, fields, strict=True):
        total, trainable = (0, 0) if id(node.layer) in counted else _count(node.layer)
        counted.add(id(node.layer))
        facts = LayerFacts(
            name=node.layer.name,
            kind=type(node.layer).__name__,
            output_shape=node.output_shape,
            fields=field,
            parameters=total,
            trainable_parameters=trainable,
            multiply_adds=multiply_adds(node),
            activation_bytes=_bytes(node),
            steps=how[0] if how else None,
        )
        layers.append(facts)
    return Inspection(
        name=model.name,
        size=tuple(size),
        layers=tuple(layers),
        peak_bytes=_peak(nodes, steps),
        context_field=_context_field(nodes, by_axis[0]),
        times=None if timed_on is None else measure_times(nodes, timed_on),
    )


def _count(layer: Any) -> tuple[int, int]:
    """Returns the numbers of parameters and of trainable parameters of a layer."""
    weights, trainable = (getattr(layer, name, []) for name in ("weights", "trainable_weights"))
    # The state of a random generator, which Dropout has, is a variable but not a weight.
    return sum(math.prod(w.shape) for w in weights), sum(math.prod(w.shape) for w in trainable)


def _bytes(node: Node) -> int:
    return math.prod(node.output_shape) * (2 if node.dtype == "bfloat16" else np.dtype(node.dtype).itemsize)


def _peak(nodes: Sequence[Node], steps: Sequence[LayerSteps]) -> int:
    """Returns the most bytes of maps that are needed at one time."""
    last_read = list(range(len(nodes)))
    for number, (node, how) in enumerate(zip(nodes, steps, strict=True)):
        for index, source in enumerate(node.inputs):
            if how is None or how[index] is not None:  # a map that lends only its size is not needed
                last_read[source] = number
    last_read[-1] = len(nodes)
    sizes = [_bytes(node) for node in nodes]
    return max(
        sum(size for made, size in enumerate(sizes[: now + 1]) if last_read[made] >= now)
        for now in range(len(nodes))
    )


def _context_field(nodes: Sequence[Node], chart: Chart) -> int | None:
    """Returns how many elements of its input an element of the context module's output sees."""
    numbers = {node.layer.name: number for number, node in enumerate(nodes)}
    if not numbers.keys() >= set(CONTEXT_LAYERS):
        return None
    first, last = numbers[CONTEXT_LAYERS[0]], numbers[CONTEXT_LAYERS[-1]]
    before = nodes[first].inputs[0]
    # The input takes the place of the image.
    span = seen_by([*[None] * before, [], *chart[before + 1 : last + 1]], last, 0)
    return None if span is None else span.last - span.first + 1


def charts(nodes: Sequence[Node], rank: int) -> list[Chart]:
    """Returns how the maps of a graph follow from the image, for each of its axes.

    Args:
        nodes: As `read_graph` returns them.
        rank: How many axes there are.
    """
    steps = [_steps(node) for node in nodes]
    return [
        [_sources(node, how, axis) for node, how in zip(nodes, steps, strict=True)] for axis in range(rank)
    ]


def _steps(node: Node) -> LayerSteps:
    return steps_of(node.layer, node.input_shapes, node.output_shape) if node.inputs else []


def _sources(node: Node, how: LayerSteps, axis: int) -> list[Source] | None:
    if how is None:
        return None
    pairs = zip(node.inputs, how, strict=True)
    return [Source(source, steps[axis]) for source, steps in pairs if steps is not None]


def _fields(by_axis: Sequence[Chart]) -> list[tuple[ReceptiveField, ...] | None]:
    """Returns the receptive field of each node's map, for each axis."""
    found = [_fields_along(chart) for chart in by_axis]
    return [
        tuple(field for field in fields if field is not None) if None not in fields else None
        for fields in zip(*found, strict=True)
    ]


def _fields_along(chart: Chart) -> list[ReceptiveField | None]:
    found: list[ReceptiveField | None] = []
    places = grids(chart)
    for index, grid in enumerate(places):
        if grid is None:
            found.append(None)
            continue
        spans = seen_by_neighbors(chart, places, index)
        known = [span for span in spans if span is not None]
        size = max((span.last - span.first + 1 for span in known), default=0)
        # Where the kernel is smaller than its stride, element 0 may see nothing.
        first = (spans[0] or Span(0, 0)).first
        found.append(ReceptiveField(grid.stride, size, first, grid.offset))
    return found
