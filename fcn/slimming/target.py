"""How small a net is to become."""

from collections.abc import Sequence
from typing import NamedTuple

from fcn.errors import RunError
from fcn.models.net import SegmentationNet
from fcn.slimming.budget import choose_equal_counts, fit_budget
from fcn.slimming.connections import count_channels
from fcn.slimming.cost import measure_cost
from fcn.slimming.importance import Importance, make_comparable
from fcn.slimming.options import Criterion

WIDTH = 0.5
"""Share of the channels that each layer keeps, if nothing else is asked for."""

# Only shares of the error and parts of the loss can be compared from layer to layer. Otherwise operations
# would decide alone, and some layers would keep hardly anything.
_LEAST_SHARES: dict[Criterion, float] = {
    "reconstruction": 0.25,
    "taylor": 0.25,
    "activation": 0.75,
    "norm": 0.75,
}


class Target(NamedTuple):
    """How small a net is to become: one of the first three, or none for a width of a half.

    Attributes:
        width: Share of the channels that each layer keeps.
        gflop: Billions of operations for an image, which layers share as is best for the net.
        speedup: How many times fewer operations, shared so too.
        fc_channels: Channels of fc6 and fc7; None: as those of other layers.
    """

    width: float | None = None
    gflop: float | None = None
    speedup: float | None = None
    fc_channels: int | None = None

    def check(self) -> "Target":
        """Checks it, and returns it.

        Raises:
            RunError: If it cannot be met, or there is more than one.
        """
        given = {name: getattr(self, name) for name in ("width", "gflop", "speedup")}
        given = {name: value for name, value in given.items() if value is not None}
        if len(given) > 1:
            raise RunError(
                f"Expected one of width, gflop and speedup. Received: {given}. Leave out the others."
            )
        if self.width is not None and not 0 < self.width <= 1:
            raise RunError(f"Expected a width above 0, at most 1. Received: width={self.width}.")
        if self.gflop is not None and not self.gflop > 0:
            raise RunError(f"Expected GFLOP above 0. Received: gflop={self.gflop}.")
        if self.speedup is not None and not self.speedup > 1:
            raise RunError(f"Expected a speedup above 1. Received: speedup={self.speedup}.")
        if self.fc_channels is not None and self.fc_channels < 1:
            raise RunError(f"Expected at least 1 channel. Received: fc_channels={self.fc_channels}.")
        return self


def choose_counts(
    net: SegmentationNet,
    importance: Importance,
    target: Target,
    channels_by: Criterion,
    size: Sequence[int],
) -> dict[str, int]:
    """Returns how many channels each layer keeps.

    Raises:
        RunError: If the net cannot become so small.
    """
    full = count_channels(net)
    if target.gflop is None and target.speedup is None:
        return choose_equal_counts(full, WIDTH if target.width is None else target.width, target.fc_channels)
    cost = measure_cost(net, size)
    gflop = target.gflop if target.speedup is None else cost.gflop(full) / target.speedup
    if gflop is None:
        raise ValueError("Expected GFLOP or a speedup.")
    least_share = _LEAST_SHARES[channels_by]
    return fit_budget(make_comparable(importance, channels_by), cost, gflop, target.fc_channels, least_share)
