"""The numbers of the published nets: channels, kernels, dilations and paddings."""

from collections.abc import Mapping

REFERENCE_PADDING = 100
"""Zeros that the published nets add around the image at conv1_1."""

VGG16_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of 3x3 convolutions of each block, in front of its pooling (table 1, column D)."""

CONVOLUTION_CHANNELS = {
    f"block{block}_conv{index}": channels
    for block, (channels, convolutions) in enumerate(VGG16_BLOCKS, start=1)
    for index in range(1, convolutions + 1)
}
"""Channels of VGG16's 13 convolutions, in order, by the names that Keras and this package give them."""

FULLY_CONNECTED = ("fc6", "fc7")
"""VGG16's fully connected layers below its scores, by the names that this package gives them."""

FC_CHANNELS = 4096
"""Channels of fc6 and fc7."""

CHANNELS_BY_FC6 = {"full": FC_CHANNELS, "largefov": FC_CHANNELS // 4}
"""The same by the kind of fc6: VGG16's own, or DeepLab's LargeFOV."""

FC6_KERNEL_SIZE = 7

FC6_KERNEL_SIZES = {"full": FC6_KERNEL_SIZE, "largefov": 3}
"""By the kind of fc6: VGG16's own, or DeepLab's LargeFOV with every third tap of it."""

DILATED_POOLED_BLOCKS = 3
"""Blocks of VGG16 that end in a pooling in the nets that dilate."""

BLOCK5_DILATION = 2
"""Dilation of block5 in a net without pool4: its taps lie as far apart in the image as with pool4."""

FC6_DILATIONS = {"full": 1, "largefov": 3}
"""Dilation of fc6 after all five poolings: LargeFOV's taps are every third one of VGG16's."""

DILATED_FC6 = {kind: 4 * rate for kind, rate in FC6_DILATIONS.items()}
"""The same in a net without pool4 and pool5 (Yu & Koltun, 2016: 4; Chen et al., DeepLab v1, 2015: 12)."""

REFLECTION_PADDING = 186
"""Reflected pixels that Yu & Koltun's nets add around the image: half of what their front end sees."""

CONTEXT_DILATIONS = (1, 1, 2, 4, 8, 16, 1)
"""Dilations of the context module's 3x3 convolutions, in order (Yu & Koltun, table 1)."""

CONTEXTS = {"basic": (1, 1, 1, 1, 1, 1, 1), "large": (2, 2, 4, 8, 16, 32, 32)}
"""Channels of these convolutions, relative to the number of classes, by the size of the module (table 1)."""

CONTEXT_PADDING = sum(CONTEXT_DILATIONS)
"""Elements by which the context module sees farther than one, to each side: its field is 67."""

SMALLEST_BLOCK = 8
"""Smallest stride at which `fcn.models.patches` computes a transposed convolution in blocks."""


def scaled(channels: int, width: float) -> int:
    """Returns the number of channels of a layer in a net of the given relative width, at least 1.

    Example:
        >>> scaled(512, 0.25)
        128
    """
    return max(1, round(channels * width))


def layer_channels(
    fc6: str, width: float, fc_channels: int | None, channels: Mapping[str, int]
) -> dict[str, int]:
    """Returns the channels of each layer in front of the scores, in the order in which they compute.

    Args:
        fc6: "full" or "largefov".
        width: Channels relative to VGG16's.
        fc_channels: Channels of fc6 and fc7; None for those that follow from `width`.
        channels: Channels of layers that have others, by their names.

    Example:
        >>> layer_channels("full", 0.5, 256, {"fc7": 100})["fc6"]
        256
    """
    fc = scaled(CHANNELS_BY_FC6[fc6], width) if fc_channels is None else fc_channels
    own = {name: scaled(count, width) for name, count in CONVOLUTION_CHANNELS.items()}
    return own | dict.fromkeys(FULLY_CONNECTED, fc) | dict(channels)
