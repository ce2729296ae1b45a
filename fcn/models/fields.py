"""What an output pixel of a net sees of the image, and what labeling in pieces has to know of a net."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from fcn.models.geometry import FC6_KERNEL_SIZE, REFERENCE_PADDING, Field, reference_crop_offsets
from fcn.models.vgg import VGG16_BLOCKS, scaled

COARSEST_STRIDE: int = 2 ** len(VGG16_BLOCKS)
"""Pixels between the elements of pool5: images shifted by as many give shifted maps, in every layer."""

_FLOAT_BYTES = 4


def net_field(stride: int, geometry: str) -> Field:
    """Derives what a pixel of the logits sees, through all layers from the image on.

    Args:
        stride: Output stride of the net's finest scores: 32, 16 or 8.
        geometry: "same" or "reference".

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
    scores = field.convolved(FC6_KERNEL_SIZE, padding=0 if reference else FC6_KERNEL_SIZE // 2)
    crops = reference_crop_offsets(stride)
    for pool, crop, skip_stride in ((pools[3], crops.pool4, 16), (pools[2], crops.pool3, 8)):
        if stride <= skip_stride:
            scores = scores.transposed(4, strides=2, padding=0 if reference else 1)
            scores = scores.joined(pool.cropped(crop or 0) if reference else pool)
    # Padding "same" cuts off the `stride` outputs more than inputs times stride, half of them in front.
    scores = scores.transposed(2 * stride, stride, 0 if reference else stride // 2)
    return scores.cropped(crops.scores) if reference else scores


class NetDescription(NamedTuple):
    """What labeling in pieces has to know of a net.

    Attributes:
        stride: As of `FCN`, and so are the others.
        geometry: "same" or "reference".
        input_scale: Size at which the layers see an image, relative to its own.
        width: Channels relative to VGG16's.
        num_classes: How many classes the net tells apart.
    """

    stride: int
    geometry: str
    input_scale: float
    width: float
    num_classes: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "NetDescription":
        """Returns the description of the net that `FCN.get_config` returned `config` of.

        Raises:
            KeyError: If something is missing.
        """
        return cls(*(config[name] for name in cls._fields))

    def halo(self) -> tuple[int, int]:
        """Returns how many pixels in front of its own and behind it a pixel of the logits sees.

        Example:
            >>> NetDescription(8, "same", 1.0, 1.0, 21).halo()
            (245, 245)
        """
        field = net_field(self.stride, self.geometry)
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
        block1 = scaled(VGG16_BLOCKS[0][0], self.width)
        return _FLOAT_BYTES * (3 * block1 + 2 * self.num_classes)

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
