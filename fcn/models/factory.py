"""Builds a net by its name."""

from functools import partial
from typing import Any

from fcn.models.fcn import AT_ONCE_SKIP_SCALES, FCN

NETS = {
    "fcn32s": partial(FCN, stride=32),
    "fcn16s": partial(FCN, stride=16),
    "fcn8s": partial(FCN, stride=8),
    "fcn8s_at_once": partial(FCN, stride=8, skip_scales=AT_ONCE_SKIP_SCALES),
}
"""The nets that can be built, by the names that configurations use."""


def build_model(net: str = "fcn8s", **options: Any) -> FCN:
    """Builds a net with new weights.

    Args:
        net: "fcn32s", "fcn16s", "fcn8s", or "fcn8s_at_once" for training with all skips from the start.
        options: Arguments of `FCN`: `num_classes`, `width`, `upsampling`, ...

    Raises:
        ValueError: If there is no such net, or an option does not fit.

    Example:
        >>> build_model("fcn16s", num_classes=2, width=1 / 16).name
        'fcn16s'
    """
    if net not in NETS:
        raise ValueError(f"Expected a net among {', '.join(NETS)}. Received: net={net!r}.")
    return NETS[net](**options)
