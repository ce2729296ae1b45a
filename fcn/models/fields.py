"""The description of a net that labeling in pieces needs: how far a pixel sees, and how much memory it takes.

It is derived from a net's arguments alone, without Keras. Tests compare it with what
`fcn.inspection.facts` derives from a net's layers, and with what changes when a pixel does.
"""

import math
from collections.abc import Mapping
from functools import cache, lru_cache
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
    SMALLEST_BLOCK,
    VGG16_BLOCKS,
    scaled,
)
from fcn.models.arguments import NetArguments
from fcn.models.axis_operations import (
    Resizing,
    Sliding,
    Source,
    Step,
    Transposing,
    grids,
    seen_by_neighbors,
)
from fcn.models.geometry import CropOffsets, reference_crop_offsets

COARSEST_STRIDE: int = 2 ** len(VGG16_BLOCKS)
"""Pixels between the elements of pool5: an image shifted by this much gives shifted maps in every layer."""

_FLOAT_BYTES = 4


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
        bits: How many bits the values of image files of 16 bits use.
        temperatures: One or one a class, of a calibrated net; None of others.
    """

    stride: int
    geometry: str
    input_scale: float
    width: float
    num_classes: int
    fc6: str = "full"
    context: str | None = None
    fc_channels: int | None = None
    bits: int = NetArguments.bits
    temperatures: tuple[float, ...] | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "NetDescription":
        """Returns the description of a net from what its `get_config` returned.

        Files that were written when all nets were FCNs lack the arguments that came later.

        Raises:
            KeyError: If something is missing.
        """
        values = dict(config)
        values["temperatures"] = tuple(values.get("temperatures") or ()) or None
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

    def map_bytes(self, height: int, width: int) -> int:
        """Estimates the memory that the maps of the layers take at once, for an image as the layers see it.

        TensorFlow keeps three maps on a CPU: the input of a layer, its output, and a copy of the larger one
        in its kernels' own order. fc6 and the last upsampling keep what `fcn.models.patches` gathers, and a
        dilated layer a copy of its kernel. In graphs of earlier exports, and wherever Keras computes it, it
        also keeps the parts that it cuts its input and output into, so these are counted. The layer that
        takes most counts. Of most images it is in block1; of a single row of pixels it is fc6 or the
        last upsampling, since no pooling makes that row any lower. Logits and their exponentials are added.
        640 to 1,000 bytes a pixel were measured for images with 64 channels in block1 and 21 classes.

        Args:
            height: Rows.
            width: Columns.

        Example:
            >>> fcn8s = NetDescription(8, "same", 1.0, 1.0, 21)
            >>> fcn8s.map_bytes(320, 320) / 320**2, fcn8s.map_bytes(1, 102400) / 102400
            (936.0, 7016.0)
        """
        chart, channels = _chart(self), _channels(self)
        rows, columns = _lengths(self, height), _lengths(self, width)
        sizes = [r * c * count for r, c, count in zip(rows, columns, channels, strict=True)]
        fc6 = _fc6(self)
        most = 3 * sizes[fc6]  # fc7 reads it
        for number in range(1, len(chart)):
            before, step = chart[number][0]
            read = max(sizes[source.before] for source in chart[number])
            copies = max(sizes[number], read)
            if isinstance(step, Transposing):
                # It reads scores, which a layer between the two maps has made.
                read = rows[before] * columns[before] * channels[number]
                if step.strides >= SMALLEST_BLOCK:
                    # In blocks, which are then put in order.
                    blocks = step.strides**2 * (rows[before] + 1) * (columns[before] + 1)
                    copies = 2 * blocks * channels[number]
            elif isinstance(step, Sliding) and number == fc6 and step.dilation_rate == 1:
                # Gathered, and then put side by side.
                copies = 2 * step.kernel_size**2 * channels[before] * rows[number] * columns[number]
            elif isinstance(step, Sliding) and step.dilation_rate > 1:
                # Input and output in parts, of which a single row has as many as the rate.
                parts = [_in_parts(step, lengths[number]) for lengths in (rows, columns)]
                padded, whole = (math.prod(lengths) for lengths in zip(*parts, strict=True))
                copies = max(copies, channels[before] * padded + channels[number] * whole - read)
                # oneDNN computes with a copy of the kernel: 0.4 GB of a full fc6 with 7x7 places.
                copies += step.kernel_size**2 * channels[before] * channels[number]
            most = max(most, read + sizes[number] + copies)
        return _FLOAT_BYTES * (most + 2 * self.num_classes * height * width)


def _in_parts(step: Sliding, length: int) -> tuple[int, int]:
    """Returns rows or columns of the padded input and of the output of a dilated layer, as Keras computes it.

    It cuts both into as many parts as the rate of dilation, all of one size.

    Args:
        step: The layer.
        length: Rows or columns of its output.

    Example:
        >>> _in_parts(Sliding(3, dilation_rate=12, padding=12), 1)
        (36, 12)
    """
    whole = -(-length // step.dilation_rate) * step.dilation_rate
    return whole + (step.kernel_size - 1) * step.dilation_rate, whole


@cache
def _halo(net: NetDescription) -> tuple[int, int]:
    chart = _chart(net)
    spans = [span for span in seen_by_neighbors(chart, grids(chart), len(chart) - 1) if span is not None]
    before = max(pixel - span.first for pixel, span in enumerate(spans))
    return before, max(span.last - pixel for pixel, span in enumerate(spans))


@cache
def _chart(net: NetDescription) -> tuple[list[Source], ...]:
    if net.context is None:
        return tuple(fcn_chart(net.stride, net.geometry, net.fc6))
    return tuple(dilated_net_chart(net.geometry, net.fc6, net.context))


@cache
def _channels(net: NetDescription) -> tuple[int, ...]:
    """Returns the channels of each map of the chart."""
    fc = net.fc_channels or scaled(CHANNELS_BY_FC6[net.fc6], net.width)
    pooled = len(VGG16_BLOCKS) if net.context is None else DILATED_POOLED_BLOCKS
    channels = [3, 3] if net.context is not None and net.geometry == "reference" else [3]
    for block, (count, convolutions) in enumerate(VGG16_BLOCKS):
        channels += [scaled(count, net.width)] * (convolutions + (block < pooled))
    channels.append(fc)
    if net.context is not None and net.context != "none":
        channels += [multiple * net.num_classes for multiple in CONTEXTS[net.context]]
    return (*channels, *[net.num_classes] * (len(_chart(net)) - len(channels)))


@cache
def _fc6(net: NetDescription) -> int:
    """Returns the number of fc6 in the chart; fc7 has the same size and is not in it."""
    contexts = 0 if net.context in (None, "none") else len(CONTEXT_DILATIONS)
    following = (
        1 + contexts if net.context is not None else 2 + 2 * (net.stride <= 16) + 2 * (net.stride <= 8)
    )
    return len(_chart(net)) - 1 - following


@lru_cache(4096)
def _lengths(net: NetDescription, length: int) -> tuple[int, ...]:
    """Returns the length of each map of the chart along an axis of an image.

    Layers pad alike on both sides, and poolings round up. Where a skip is added, the shorter map is it. A map
    that is cropped counts as long as before.
    """
    lengths = [length]
    for sources in _chart(net)[1:]:
        lengths.append(min(_length(lengths[before], step) for before, step in sources))
    return tuple(lengths)


def _length(length: int, step: Step) -> int:
    if isinstance(step, Transposing):
        return (length - 1) * step.strides + step.kernel_size - 2 * step.padding
    if isinstance(step, Resizing):
        return math.ceil(length * step.scale)
    if step.strides > 1:
        return -(-length // step.strides)
    return length + 2 * max(0, step.padding) - step.dilation_rate * (step.kernel_size - 1)
