"""The description of a net that labeling in pieces needs: how far a pixel sees, and how much memory it takes.

It is derived from a net's arguments alone, without Keras. Tests compare it with what
`fcn.inspection.facts` derives from a net's layers, and with what changes when a pixel does.
"""

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from fcn.models.architecture import (
    BLOCK5_DILATION,
    CHANNELS_BY_FC6,
    CONTEXT_DILATIONS,
    CONTEXTS,
    DILATED_FC6,
    DILATED_POOLED_BLOCKS,
    FC6_DILATIONS,
    FC6_KERNEL_SIZES,
    REFERENCE_PADDING,
    REFLECTION_PADDING,
    VGG16_BLOCKS,
    scaled,
)
from fcn.models.axis_operations import Chart, Sliding, Source, Step, Transposing, grids, seen_by_neighbors
from fcn.models.geometry import CropOffsets, reference_crop_offsets

COARSEST_STRIDE: int = 2 ** len(VGG16_BLOCKS)
"""Pixels between the elements of pool5: an image shifted by this much gives shifted maps in every layer."""

_FLOAT_BYTES = 4


def fcn_chart(stride: int, geometry: str, fc6: str = "full") -> Chart:
    """Returns how the maps of an FCN follow from the image that its layers see, up to the logits.

    Far from the borders, that is: there the sizes of maps do not matter.

    Args:
        stride: Output stride of the net's finest scores: 32, 16 or 8.
        geometry: "same" or "reference".
        fc6: "full" or "largefov".

    Example:
        >>> from fcn.models.axis_operations import seen_by
        >>> chart = fcn_chart(32, "same")
        >>> seen_by(chart, len(chart) - 1, 0)
        Span(first=-218, last=217)
    """
    reference = geometry == "reference"
    chart: list[list[Source]] = [[]]
    pools = []
    for block, (_, convolutions) in enumerate(VGG16_BLOCKS):
        for index in range(convolutions):
            padded = reference and (block, index) == (0, 0)
            _append(chart, Sliding(3, padding=REFERENCE_PADDING if padded else 1))
        pools.append(_append(chart, Sliding(2, strides=2)))
    size, rate = FC6_KERNEL_SIZES[fc6], FC6_DILATIONS[fc6]
    _append(chart, Sliding(size, padding=0 if reference else size // 2 * rate, dilation_rate=rate))
    crops = reference_crop_offsets(stride) if reference else CropOffsets(0, 0, 0)
    for pool, crop, skip_stride in ((pools[3], crops.pool4, 16), (pools[2], crops.pool3, 8)):
        if stride <= skip_stride:
            upscored = _append(chart, Transposing(4, strides=2, padding=0 if reference else 1))
            chart.append([Source(upscored, Sliding()), Source(pool, Sliding(padding=-(crop or 0)))])
    # Padding "same" cuts off the `stride` outputs more than inputs times stride, half of them in front.
    _append(chart, Transposing(2 * stride, stride, 0 if reference else stride // 2))
    _append(chart, Sliding(padding=-crops.scores))
    return chart


def dilated_net_chart(geometry: str, fc6: str, context: str) -> Chart:
    """Returns the same for a net without pool4 and pool5, `fcn.models.dilated.DilatedNet`.

    Args:
        geometry: "same" or "reference". How far an element sees does not depend on where padding is added,
            and a reflected pixel shows one that lies nearer.
        fc6: "full" or "largefov".
        context: "none", "basic" or "large".

    Example:
        >>> from fcn.models.axis_operations import seen_by
        >>> chart = dilated_net_chart("same", "full", "none")
        >>> seen_by(chart, len(chart) - 1, 4)
        Span(first=-186, last=201)
    """
    padded = geometry == "same"
    chart: list[list[Source]] = [[]]
    if not padded:
        _append(chart, Sliding(padding=REFLECTION_PADDING))
    for block, (_, convolutions) in enumerate(VGG16_BLOCKS, start=1):
        rate = BLOCK5_DILATION if block == len(VGG16_BLOCKS) else 1
        for _ in range(convolutions):
            _append(chart, Sliding(3, padding=rate if padded else 0, dilation_rate=rate))
        if block <= DILATED_POOLED_BLOCKS:
            _append(chart, Sliding(2, strides=2))
    size, rate = FC6_KERNEL_SIZES[fc6], DILATED_FC6[fc6]
    _append(chart, Sliding(size, padding=size // 2 * rate if padded else 0, dilation_rate=rate))
    for rate in CONTEXT_DILATIONS if context != "none" else ():
        _append(chart, Sliding(3, padding=rate, dilation_rate=rate))
    stride = 2**DILATED_POOLED_BLOCKS
    _append(chart, Transposing(2 * stride, stride, stride // 2))
    return chart


def _append(chart: list[list[Source]], step: Step) -> int:
    """Adds the map that follows from the last one by a step, and returns its number."""
    chart.append([Source(len(chart) - 1, step)])
    return len(chart) - 1


class NetDescription(NamedTuple):
    """The description of a net that labeling in pieces needs.

    Attributes:
        stride: As of `FCN`, and so are the others.
        geometry: "same" or "reference".
        input_scale: Size at which the layers see an image, relative to its own.
        width: Channels relative to VGG16's.
        num_classes: Number of classes.
        fc6: "full" or "largefov".
        context: "none", "basic" or "large" of a `DilatedNet`; None of an `FCN`.
        fc_channels: Channels of fc6 and fc7; None for those that follow from `width`.
    """

    stride: int
    geometry: str
    input_scale: float
    width: float
    num_classes: int
    fc6: str = "full"
    context: str | None = None
    fc_channels: int | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "NetDescription":
        """Returns the description of a net from what its `get_config` returned.

        Files that were written when all nets were FCNs lack the arguments that came later.

        Raises:
            KeyError: If something is missing.
        """
        values = dict(config)
        if "context" in values:
            values["stride"] = 2**DILATED_POOLED_BLOCKS
        names = [name for name in cls._fields if name in values or name not in cls._field_defaults]
        return cls(**{name: values[name] for name in names})

    def halo(self) -> tuple[int, int]:
        """Returns how many pixels a pixel of the logits sees in front of its own place and behind it.

        Example:
            >>> NetDescription(8, "same", 1.0, 1.0, 21).halo()
            (245, 245)
        """
        return _halo(self)

    def net_bytes(self) -> int:
        """Estimates the memory that the maps of a net take at once, in bytes per pixel that the layers see.

        The largest are those of block1. TensorFlow keeps three of them on a CPU: the input of a convolution,
        its output, and a copy in its kernels' own order. Logits and their exponentials are added. 640 to
        1,000 bytes were measured with 64 channels and 21 classes.

        Example:
            >>> NetDescription(8, "same", 1.0, 1.0, 21).net_bytes()
            936
        """
        channels = 3.0 * scaled(VGG16_BLOCKS[0][0], self.width)
        if self.context is not None:
            # Maps of a 64th of the size, with far more channels than where an FCN has maps of that size.
            fc = self.fc_channels or scaled(CHANNELS_BY_FC6[self.fc6], self.width)
            multiples = CONTEXTS[self.context] if self.context != "none" else (1,)
            widest = max(fc, max(multiples) * self.num_classes)
            channels = max(channels, 3 * widest / 4**DILATED_POOLED_BLOCKS)
        return math.ceil(_FLOAT_BYTES * (channels + 2 * self.num_classes))

    def image_bytes(self) -> int:
        """Estimates the memory that labeling an image in one piece takes, in bytes per pixel of the image.

        A net with an `input_scale` also holds two copies of the image as floats, and three of the logits at
        the image's size.

        Example:
            >>> NetDescription(8, "same", 0.5, 1.0, 21).image_bytes()
            510
        """
        if self.input_scale == 1:
            return self.net_bytes()
        resizing = _FLOAT_BYTES * (2 * 3 + 3 * self.num_classes)
        return math.ceil(self.net_bytes() * self.input_scale**2) + resizing


@cache
def _halo(net: NetDescription) -> tuple[int, int]:
    if net.context is None:
        chart = fcn_chart(net.stride, net.geometry, net.fc6)
    else:
        chart = dilated_net_chart(net.geometry, net.fc6, net.context)
    spans = [span for span in seen_by_neighbors(chart, grids(chart), len(chart) - 1) if span is not None]
    before = max(pixel - span.first for pixel, span in enumerate(spans))
    return before, max(span.last - pixel for pixel, span in enumerate(spans))
