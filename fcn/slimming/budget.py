"""How many channels each layer keeps."""

import math
from collections.abc import Mapping

import numpy as np

from fcn.errors import RunError
from fcn.models.architecture import FULLY_CONNECTED, scaled
from fcn.slimming.cost import NetCost
from fcn.slimming.importance import Importance

# Processors compute channels in groups: 16 float32 values fill a register of AVX-512.
_GROUP = 16


def choose_equal_counts(full: Mapping[str, int], width: float, fc_channels: int | None) -> dict[str, int]:
    """Returns the channels of each layer if all keep the same share.

    Args:
        full: Channels before.
        width: The share, above 0, at most 1.
        fc_channels: Channels of fc6 and fc7; None for the same share of them.

    Raises:
        RunError: If fc6 or fc7 has fewer channels.

    Example:
        >>> choose_equal_counts({"block1_conv1": 64, "fc6": 4096}, 0.5, 256)
        {'block1_conv1': 32, 'fc6': 256}
    """
    return {name: scaled(count, width) for name, count in full.items()} | _fixed(full, fc_channels)


def fit_budget(
    importance: Importance,
    cost: NetCost,
    gflop: float,
    fc_channels: int | None = None,
    least_share: float = 0.25,
) -> dict[str, int]:
    """Returns the channels of each layer that lose least for a number of operations.

    From the layer where the least important channels cost most, some are removed, again and again; then as
    many are put back as fit. Ratios of importance and operations decide, as in a knapsack.

    Args:
        importance: Of each channel, comparable from layer to layer.
        cost: What the net costs.
        gflop: Billions of operations that it may cost.
        fc_channels: Channels of fc6 and fc7; None: as many as are worth it.
        least_share: The least that a layer keeps, relative to the share that all would keep alike.

    Raises:
        RunError: If no channels are few enough, or all fit.
    """
    full = {name: len(values) for name, values in importance.items()}
    best_first = {name: np.sort(values)[::-1] for name, values in importance.items()}
    fixed = _fixed(full, fc_channels)
    counts = full | fixed
    before = cost.gflop(full)
    if before <= gflop:
        raise RunError(
            f"Expected fewer GFLOP than the {before:.4g} that the net has already. Received: {gflop:.4g}. "
            "Give a smaller budget."
        )
    share = math.sqrt(gflop / before)
    groups = {name: _group(count) for name, count in full.items()}
    least = {
        name: max(1, groups[name] * math.ceil(least_share * share * count / groups[name]))
        for name, count in full.items()
    }
    free = [name for name in full if name not in fixed]

    def value(name: str, fewer: int, more: int) -> float:
        """Returns the importance of some channels of a layer for each GFLOP that they cost."""
        price = cost.gflop(counts | {name: more}) - cost.gflop(counts | {name: fewer})
        return float(best_first[name][fewer:more].sum()) / price

    while cost.gflop(counts) > gflop:
        fewer = {name: groups[name] * (-(-counts[name] // groups[name]) - 1) for name in free}
        fewer = {name: count for name, count in fewer.items() if count >= least[name]}
        if not fewer:
            raise RunError(
                f"Expected at least {cost.gflop(counts):.4g} GFLOP, below which a layer would keep too few "
                f"channels. Received: {gflop:.4g}. Give a larger budget."
            )
        worst = min(fewer, key=lambda name: value(name, fewer[name], counts[name]))
        counts[worst] = fewer[worst]
    while True:
        more = {name: min(full[name], counts[name] + groups[name]) for name in free}
        more = {
            name: count
            for name, count in more.items()
            if count > counts[name] and cost.gflop(counts | {name: count}) <= gflop
        }
        if not more:
            return counts
        best = max(more, key=lambda name: value(name, counts[name], more[name]))
        counts[best] = more[best]


def _fixed(full: Mapping[str, int], fc_channels: int | None) -> dict[str, int]:
    """Returns the channels of the layers for which a number was given."""
    if fc_channels is None:
        return {}
    fixed = {name: fc_channels for name in FULLY_CONNECTED if name in full}
    for name in fixed:
        if full[name] < fc_channels:
            raise RunError(
                f"Expected at most the {full[name]} channels that {name} has. Received: fc_channels="
                f"{fc_channels}. Give fewer."
            )
    return fixed


def _group(count: int) -> int:
    """Returns how many channels of a layer are removed at a time: at most an eighth, in powers of 2.

    Example:
        >>> [_group(count) for count in (3, 16, 32, 64, 512)]
        [1, 2, 4, 8, 16]
    """
    return int(min(_GROUP, 2 ** int(math.log2(max(1, count // 8)))))
