"""What an output pixel of a net sees of the image, and what labeling in pieces has to know of a net."""

import math
from collections.abc import Mapping
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
from fcn.models.geometry import Field, reference_crop_offsets

COARSEST_STRIDE: int = 2 ** len(VGG16_BLOCKS)
"""Pixels between the elements of pool5: images shifted by as many give shifted maps, in every layer."""

_FLOAT_BYTES = 4


def net_field(stride: int, geometry: str, fc6: str = "full") -> Field:
    """Derives what a pixel of an FCN's logits sees, through all layers from the image on.

    Args:
        stride: Output stride of the net's finest scores: 32, 16 or 8.
        geometry: "same" or "reference".
        fc6: "full" or "largefov".

    Returns:
        A field of stride 1, in pixels of the image that the layers see.

    Example:
        >>> field = net_field(8, "same")
        >>> float(field.first), float(field.last)
        (-245.0, 245.0)
    """
    reference = geometry == "reference"
    field = Field()
    pools = []
    for block, (_, convolutions) in enumerate(VGG16_BLOCKS):
        for index in range(convolutions):
            padded = reference and (block, index) == (0, 0)
            field = field.convolved(3, padding=REFERENCE_PADDING if padded else 1)
        field = field.convolved(2, strides=2)
        pools.append(field)
    size, rate = FC6_KERNEL_SIZES[fc6], FC6_DILATIONS[fc6]
    scores = field.convolved(size, padding=0 if reference else size // 2 * rate, dilation_rate=rate)
    crops = reference_crop_offsets(stride)
    for pool, crop, skip_stride in ((pools[3], crops.pool4, 16), (pools[2], crops.pool3, 8)):
        if stride <= skip_stride:
            scores = scores.transposed(4, strides=2, padding=0 if reference else 1)
            scores = scores.joined(pool.cropped(crop or 0) if reference else pool)
    # Padding "same" cuts off the `stride` outputs more than inputs times stride, half of them in front.
    scores = scores.transposed(2 * stride, stride, 0 if reference else stride // 2)
    return scores.cropped(crops.scores) if reference else scores


def dilated_net_field(geometry: str, fc6: str, context: str) -> Field:
    """Derives the same of a net without pool4 and pool5, `fcn.models.dilated.DilatedNet`.

    Args:
        geometry: "same" or "reference". What an element sees does not depend on where padding is added, and
            what a reflected pixel shows lies nearer than the pixel would.
        fc6: "full" or "largefov".
        context: "none", "basic" or "large".

    Returns:
        A field of stride 1, in pixels of the image that the layers see.

    Example:
        >>> field = dilated_net_field("same", "full", "none")
        >>> float(field.first), float(field.last)
        (-197.0, 197.0)
    """
    padded = geometry == "same"
    field = Field() if padded else Field().cropped(-REFLECTION_PADDING)
    for block, (_, convolutions) in enumerate(VGG16_BLOCKS, start=1):
        rate = BLOCK5_DILATION if block == len(VGG16_BLOCKS) else 1
        for _ in range(convolutions):
            field = field.convolved(3, padding=rate if padded else 0, dilation_rate=rate)
        if block <= DILATED_POOLED_BLOCKS:
            field = field.convolved(2, strides=2)
    size, rate = FC6_KERNEL_SIZES[fc6], DILATED_FC6[fc6]
    field = field.convolved(size, padding=size // 2 * rate if padded else 0, dilation_rate=rate)
    for rate in CONTEXT_DILATIONS if context != "none" else ():
        field = field.convolved(3, padding=rate, dilation_rate=rate)
    stride = int(field.stride)
    return field.transposed(2 * stride, stride, stride // 2)


class NetDescription(NamedTuple):
    """What labeling in pieces has to know of a net.

    Attributes:
        stride: As of `FCN`, and so are the others.
        geometry: "same" or "reference".
        input_scale: Size at which the layers see an image, relative to its own.
        width: Channels relative to VGG16's.
        num_classes: How many classes the net tells apart.
        fc6: "full" or "largefov".
        context: "none", "basic" or "large" of a `DilatedNet`; None of an `FCN`.
        fc_channels: Channels of fc6 and fc7; None for as many as `width` says.
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
        """Returns the description of the net that `SegmentationNet.get_config` returned `config` of.

        Nets that were written before there were others than FCNs do not say what they had no choice of.

        Raises:
            KeyError: If something is missing.
        """
        values = dict(config)
        if "context" in values:
            values["stride"] = 2**DILATED_POOLED_BLOCKS
        names = [name for name in cls._fields if name in values or name not in cls._field_defaults]
        return cls(**{name: values[name] for name in names})

    def halo(self) -> tuple[int, int]:
        """Returns how many pixels in front of its own and behind it a pixel of the logits sees.

        Example:
            >>> NetDescription(8, "same", 1.0, 1.0, 21).halo()
            (245, 245)
        """
        if self.context is None:
            field = net_field(self.stride, self.geometry, self.fc6)
        else:
            field = dilated_net_field(self.geometry, self.fc6, self.context)
        return -math.ceil(field.first), math.floor(field.last)

    def net_bytes(self) -> int:
        """Estimates the memory that the maps of a net take at once, in bytes a pixel that the layers see.

        Largest are those of block1, of which TensorFlow keeps three on a CPU: what goes into a convolution,
        what comes out, and a copy in its kernels' own order; then the logits and their exponentials. 640 to
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
        """Estimates the memory that labeling an image in one piece takes, in bytes a pixel of the image.

        A net that makes images smaller also holds them as floats, twice while it does, and three times the
        logits it brings back to their size.

        Example:
            >>> NetDescription(8, "same", 0.5, 1.0, 21).image_bytes()
            510
        """
        if self.input_scale == 1:
            return self.net_bytes()
        resizing = _FLOAT_BYTES * (2 * 3 + 3 * self.num_classes)
        return math.ceil(self.net_bytes() * self.input_scale**2) + resizing
