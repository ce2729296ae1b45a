"""The times of layers, from those of an engine's operations."""

import re
import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import keras

from fcn.inspection.cost import OPERATIONS_PER_MULTIPLY_ADD, multiply_adds
from fcn.inspection.graph import Node
from fcn.inspection.timing.passes import Operation, Pass

_NUMBERED = re.compile(r"_\d+$")


class LayerTime(NamedTuple):
    """Time of one layer.

    Attributes:
        seconds: Median over the passes; 0 for a layer that the engine does not compute by itself.
        within: Name of the layer with which the engine computes it as one operation, which has its time;
            None for a layer that has its own time, or that needs no operation at all.
        gflop: Billions of operations of this layer and of those within it; None if unknown.
    """

    seconds: float
    within: str | None = None
    gflop: float | None = 0.0


class Times(NamedTuple):
    """Times of a net on an engine.

    Attributes:
        engine: Name of the engine.
        precision: The precision in which it computes.
        passes: How many passes were measured.
        seconds: Of a whole pass, with what the engine does between its operations; median.
        other_seconds: Of the operations that belong to no layer, such as labels from scores; median.
        peak_gflops: Billions of operations per second of the fastest product of matrices or 3x3 convolution
            that was measured, on the same engine in the same precision.
        peak_of: Which of both was fastest.
        layers: Time of each layer, by name.
    """

    engine: str
    precision: str
    passes: int
    seconds: float
    other_seconds: float
    peak_gflops: float
    peak_of: str
    layers: Mapping[str, LayerTime]

    @property
    def layer_seconds(self) -> float:
        """Time of all layers together."""
        return sum(layer.seconds for layer in self.layers.values())

    def gflops(self, name: str) -> float | None:
        """Returns billions of operations per second of a layer; None where nothing is counted or timed."""
        layer = self.layers[name]
        return layer.gflop / layer.seconds if layer.gflop and layer.seconds else None

    def share_of_peak(self, name: str) -> float | None:
        """Returns the share of the measured peak that a layer reaches; None as for `gflops`."""
        found = self.gflops(name)
        return None if found is None else found / self.peak_gflops


def find_layer_times(nodes: Sequence[Node], passes: Sequence[Pass]) -> dict[str, LayerTime]:
    """Returns the time of each layer by name.

    Layers that the engine computes as one operation share its time, which is given to the one of them with
    most multiply-adds. If an operation has only the name of the last of them, as in TensorFlow and ONNX
    Runtime, the others are those in front of it that lack an operation, or one that multiplies.

    Args:
        nodes: The layers, as `read_graph` returns them.
        passes: Passes of the net; names of operations hold the names of their layers, between slashes.
    """
    work = {node.layer.name: multiply_adds(node) for node in reversed(nodes)}
    medians = _medians(passes, work)
    multiplying = _find_multiplying(nodes, passes, work)
    # For each layer that operations name, the one that has its time.
    owners = {name: multiplying.get(name, name) for name in medians}
    members: dict[str, list[str]] = {owner: [owner] for owner in owners.values()}
    absorbed = _find_absorbed(nodes, {*medians, *members}) | _find_fused(passes, work, medians)
    for name, other in absorbed.items():
        if name not in members:
            members[owners.get(other, other)].append(name)
    times = {node.layer.name: LayerTime(0.0) for node in nodes}
    for leader, others in members.items():
        named = [name for name, owner in owners.items() if owner == leader]
        parts = list(dict.fromkeys([*others, *named]))
        counts = [work[name] for name in parts]
        total = None if None in counts else sum(count or 0 for count in counts)
        gflop = None if total is None else OPERATIONS_PER_MULTIPLY_ADD * total / 1e9
        owner = _owner(parts, work)
        times |= {name: LayerTime(0.0, owner) for name in parts}
        times[owner] = LayerTime(sum(medians[name] for name in named), None, gflop)
    return times


def other_seconds(nodes: Sequence[Node], passes: Sequence[Pass]) -> float:
    """Returns the median time of the operations that belong to no layer.

    Args:
        nodes: The layers, as `read_graph` returns them.
        passes: Passes of the net.
    """
    work = {node.layer.name: 0 for node in nodes}
    return statistics.median(
        sum(one.seconds for one in found.operations if not _layers(one, work)) for found in passes
    )


def _medians(passes: Sequence[Pass], work: Mapping[str, int | None]) -> dict[str, float]:
    """Returns the median time of each layer that has an operation."""
    sums: list[dict[str, float]] = []
    for found in passes:
        by_layer: dict[str, float] = {}
        for operation in found.operations:
            if layers := _layers(operation, work):
                owner = _owner(layers, work)
                by_layer[owner] = by_layer.get(owner, 0.0) + operation.seconds
        sums.append(by_layer)
    names = {name for by_layer in sums for name in by_layer}
    return {name: statistics.median(by_layer.get(name, 0.0) for by_layer in sums) for name in names}


def _find_multiplying(
    nodes: Sequence[Node], passes: Sequence[Pass], work: Mapping[str, int | None]
) -> dict[str, str]:
    """Returns the layers whose operations multiply for a layer in front of them, and that layer.

    In front of the operation, that layer may still read or convert its weights.
    """
    multiply = {
        _owner(layers, work)
        for found in passes
        for operation in found.operations
        if operation.multiplies and (layers := _layers(operation, work))
    }
    found: dict[str, str] = {}
    for number, node in enumerate(nodes):
        name = node.layer.name
        if not work[name] or name in multiply:
            continue
        reached = {number}
        for behind in range(number + 1, len(nodes)):
            after = nodes[behind].layer.name
            if reached.isdisjoint(nodes[behind].inputs) or work[after]:
                continue
            if after in multiply:
                found.setdefault(after, name)
                break
            reached.add(behind)
    return found


def _find_fused(
    passes: Sequence[Pass], work: Mapping[str, int | None], medians: Mapping[str, float]
) -> dict[str, str]:
    """Returns the layers that only share operations with others, and these others."""
    found: dict[str, str] = {}
    for operation in (one for every in passes for one in every.operations):
        layers = _layers(operation, work)
        found |= {name: _owner(layers, work) for name in layers if name not in medians}
    return found


def _find_absorbed(nodes: Sequence[Node], timed: Collection[str]) -> dict[str, str]:
    """Returns the layers that no operation names, and the one that each is computed with.

    That is the layer in front of it that has an operation, such as the convolution of an activation, or else
    the next one behind it, such as that whose weights an engine has scaled in place of its map.

    Args:
        nodes: The layers.
        timed: Names of the layers that have an operation.
    """
    front: dict[int, str] = {}
    for number, node in enumerate(nodes):
        sources = [front[source] for source in node.inputs if source in front]
        if node.layer.name in timed:
            front[number] = node.layer.name
        elif sources:
            front[number] = sources[0]
    behind: dict[int, str] = {}
    for number in range(len(nodes) - 1, -1, -1):
        name = nodes[number].layer.name if nodes[number].layer.name in timed else behind.get(number)
        if name is not None:
            behind |= dict.fromkeys(nodes[number].inputs, name)
    return {
        node.layer.name: front.get(number) or behind[number]
        for number, node in enumerate(nodes)
        if node.layer.name not in timed
        and node.inputs
        and not isinstance(node.layer, keras.layers.Dropout)
        and (number in front or number in behind)
    }


def _owner(layers: Sequence[str], work: Mapping[str, int | None]) -> str:
    return max(layers, key=lambda name: work[name] or 0)


def _layers(operation: Operation, work: Mapping[str, int | None]) -> list[str]:
    """Returns the names of the layers that an operation computes."""
    found = (_layer(part, work) for name in operation.names for part in name.split("/"))
    return [name for name in dict.fromkeys(found) if name is not None]


def _layer(part: str, work: Mapping[str, int | None]) -> str | None:
    """Returns the layer that a part of a name means; TensorFlow numbers a scope that it had before."""
    if part in work:
        return part
    plain = _NUMBERED.sub("", part)
    return plain if plain in work else None
