"""What a net costs with other numbers of channels, without building it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fcn.inspection.cost import OPERATIONS_PER_MULTIPLY_ADD
from fcn.inspection.facts import inspect_model
from fcn.models.net import SegmentationNet
from fcn.slimming.connections import LAYERS, count_channels, find_sources


class NetCost(NamedTuple):
    """The operations of a net by the channels of its layers, for an image of one size.

    Attributes:
        layers: `(source, layer, multiply-adds)` of each layer whose work depends on channels that may be
            removed: the layer that it reads, or None; itself, or None if its own channels stay; and the
            products for each pair of channels.
        fixed: Multiply-adds of all other layers.
    """

    layers: tuple[tuple[str | None, str | None, float], ...]
    fixed: float

    def gflop(self, counts: Mapping[str, int]) -> float:
        """Returns billions of operations, as `fcn inspect` counts them.

        Args:
            counts: Channels of each of `fcn.slimming.connections.LAYERS`.
        """
        products = self.fixed + sum(
            each * (counts[source] if source else 1) * (counts[layer] if layer else 1)
            for source, layer, each in self.layers
        )
        return OPERATIONS_PER_MULTIPLY_ADD * products / 1e9


def measure_cost(net: SegmentationNet, size: Sequence[int]) -> NetCost:
    """Returns what a net costs by the channels of its layers.

    Args:
        net: The net.
        size: (height, width) of an image.

    Example:
        >>> from fcn.models.factory import build_model
        >>> net = build_model("fcn32s", num_classes=2, width=1 / 64, fc_channels=2)
        >>> cost = measure_cost(net, (64, 64))
        >>> abs(cost.gflop(count_channels(net)) - inspect_model(net, (64, 64)).gflop) < 1e-12
        True
    """
    counts, read = count_channels(net), find_sources(net)
    layers: list[tuple[str | None, str | None, float]] = []
    fixed = 0.0
    for facts in inspect_model(net, size).layers:
        source, own = read.get(facts.name), facts.name if facts.name in LAYERS else None
        products = facts.multiply_adds or 0
        if source is None and own is None:
            fixed += products
            continue
        layers.append((source, own, products / (counts.get(source or "", 1) * counts.get(own or "", 1))))
    return NetCost(tuple(layers), fixed)
