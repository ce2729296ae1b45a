"""The description of a net that labeling in pieces needs: how far a pixel sees, and how much memory it takes.

It is derived from a net's arguments alone, without Keras. Tests compare it with what
`fcn.inspection.facts` derives from a net's layers, and with what changes when a pixel does.
"""

import math
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

from fcn.models.architecture import (
    CONTEXT_DILATIONS,
    CONTEXTS,
    DILATED_POOLED_BLOCKS,
    FULLY_CONNECTED,
    SMALLEST_BLOCK,
    VGG16_BLOCKS,
    layer_channels,
)
from fcn.models.arguments import NetArguments, channels_flaw
from fcn.models.axis_operations import (
    Resizing,
    Sliding,
    Source,
    Step,
    Transposing,
    grids,
    seen_by_neighbors,
)
from fcn.models.charts import dilated_net_chart, fcn_chart

COARSEST_STRIDE: int = 2 ** len(VGG16_BLOCKS)
"""Pixels between the elements of pool5: an image shifted by this much gives shifted maps in every layer."""

_FLOAT_BYTES = 4


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
        channels: `(name, channels)` of each layer with others than those that follow from these.
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
    channels: tuple[tuple[str, int], ...] = ()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "NetDescription":
        """Returns the description of a net from what its `get_config` returned.

        Files that were written when all nets were FCNs lack the arguments that came later.

        Raises:
            KeyError: If something is missing.
            ValueError: If the net can have no such `channels`.
        """
        values = dict(config)
        values["temperatures"] = tuple(values.get("temperatures") or ()) or None
        values["channels"] = _pairs(values.get("channels"))
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


def _pairs(channels: Any) -> tuple[tuple[str, int], ...]:
    """Returns the `channels` of a net's arguments in a form that can be a key of a cache."""
    if channels is None:
        return ()
    if not isinstance(channels, Mapping):
        raise ValueError(f"expected `channels` by the names of layers, received {channels!r}")
    if flaw := channels_flaw(channels):
        raise ValueError(flaw)
    return tuple(sorted(channels.items()))


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
    by_layer = layer_channels(net.fc6, net.width, net.fc_channels, dict(net.channels))
    pooled = len(VGG16_BLOCKS) if net.context is None else DILATED_POOLED_BLOCKS
    channels = [3, 3] if net.context is not None and net.geometry == "reference" else [3]
    for block, (_, convolutions) in enumerate(VGG16_BLOCKS, start=1):
        counts = [by_layer[f"block{block}_conv{index}"] for index in range(1, convolutions + 1)]
        channels += [*counts, *counts[-1:] * (block <= pooled)]
    channels.append(max(by_layer[name] for name in FULLY_CONNECTED))  # fc7 is not in the chart
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
