"""Builds a net by its name."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fcn.models.arguments import DEFAULT_CONTEXT_SIZE
from fcn.models.dilated import DilatedNet
from fcn.models.fcn import AT_ONCE_SKIP_SCALES, FCN
from fcn.models.net import SegmentationNet

NETS: dict[str, Callable[..., SegmentationNet]] = {
    "fcn32s": partial(FCN, stride=32),
    "fcn16s": partial(FCN, stride=16),
    "fcn8s": partial(FCN, stride=8),
    "fcn8s_at_once": partial(FCN, stride=8, skip_scales=AT_ONCE_SKIP_SCALES),
    "fcn8s_largefov": partial(FCN, stride=8, fc6="largefov"),
    "frontend": DilatedNet,
    "context": partial(DilatedNet, context=DEFAULT_CONTEXT_SIZE),
    "largefov": partial(DilatedNet, fc6="largefov"),
}
"""The nets that can be built, by the names that configurations use."""

LARGEFOV_NETS = ("fcn8s_largefov", "largefov")
"""The nets among them with fc6 and fc7 decimated from VGG16's."""


def build_model(net: str = "fcn8s", **options: Any) -> SegmentationNet:
    """Builds a net with new weights.

    Args:
        net: "fcn32s", "fcn16s" or "fcn8s"; "fcn8s_at_once" for training with all skips from the start;
            "fcn8s_largefov" with DeepLab's fc6; or "frontend", "context" or "largefov", which dilate.
        options: Arguments of `FCN` or `DilatedNet`: `num_classes`, `width`, `upsampling`, ...;
            `fcn.models.arguments` documents each.

    Raises:
        ValueError: If the name is unknown, or the net does not have an argument, or a value does not fit.

    Example:
        >>> build_model("fcn16s", num_classes=2, width=1 / 16).name
        'fcn16s'
    """
    if net not in NETS:
        raise ValueError(f"Expected a net among {', '.join(NETS)}. Received: net={net!r}.")
    return NETS[net](**options)
