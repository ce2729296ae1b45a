"""How the maps of each net follow from the image that its layers see, up to the logits.

It is derived from the net's arguments alone, far from the borders, where the sizes of maps do not matter.
"""

from fcn.models.architecture import (
    BLOCK5_DILATION,
    CONTEXT_DILATIONS,
    DILATED_FC6,
    DILATED_POOLED_BLOCKS,
    FC6_DILATIONS,
    FC6_KERNEL_SIZES,
    REFERENCE_PADDING,
    REFLECTION_PADDING,
    VGG16_BLOCKS,
)
from fcn.models.axis_operations import Sliding, Source, Step, Transposing
from fcn.models.geometry import CropOffsets, reference_crop_offsets


def fcn_chart(stride: int, geometry: str, fc6: str = "full") -> list[list[Source]]:
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


def dilated_net_chart(geometry: str, fc6: str, context: str) -> list[list[Source]]:
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
