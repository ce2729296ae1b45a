"""Builds a net by its name."""

from functools import partial
from typing import Any

from fcn.models.fcn import FCN

NETS = {
    "fcn32s": partial(FCN, stride=32),
    "fcn16s": partial(FCN, stride=16),
    "fcn8s": partial(FCN, stride=8),
}
"""The nets that can be built, by the names that configurations use."""


def build_model(net: str = "fcn8s", **options: Any) -> FCN:
    """Builds a net with new weights.

    Args:
        net: "fcn32s", "fcn16s" or "fcn8s".
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
