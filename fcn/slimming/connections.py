"""Which layers read the channels of which others."""

from fcn.models.architecture import CONVOLUTION_CHANNELS, FULLY_CONNECTED, VGG16_BLOCKS
from fcn.models.net import SegmentationNet

LAYERS = (*CONVOLUTION_CHANNELS, *FULLY_CONNECTED)
"""The layers whose channels may be removed, in the order in which they compute."""

_SKIPS = {f"score_pool{block}": f"block{block}_conv{VGG16_BLOCKS[block - 1][1]}" for block in (3, 4)}


def find_sources(net: SegmentationNet) -> dict[str, str]:
    """Returns the layers with a kernel that read channels of `LAYERS`, each with the layer that makes them.

    Poolings, activations and normalizations between the two keep the number and the order of channels.

    Args:
        net: Any net of this package.

    Example:
        >>> from fcn.models.factory import build_model
        >>> found = find_sources(build_model("fcn16s", num_classes=2, width=1 / 64, fc_channels=2))
        >>> found["block2_conv1"], found["score_fr"], found["score_pool4"], "score_pool3" in found
        ('block1_conv2', 'fc7', 'block4_conv3', False)
    """
    found = dict(zip((*LAYERS[1:], net.score_layer), LAYERS, strict=True))
    names = {layer.name for layer in net.layers}
    return found | {skip: source for skip, source in _SKIPS.items() if skip in names}


def find_normalizations(net: SegmentationNet) -> dict[str, str]:
    """Returns the layers that a batch normalization follows, each with its name."""
    names = {layer.name for layer in net.layers}
    return {name: f"{name}_bn" for name in LAYERS if f"{name}_bn" in names}


def count_channels(net: SegmentationNet) -> dict[str, int]:
    """Returns the number of channels of each of `LAYERS` in a net."""
    return {name: int(net.get_layer(name).filters) for name in LAYERS}
