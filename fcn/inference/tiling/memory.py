"""Memory that labeling takes: that of the program, and that of the maps of a net."""

from fcn.inference.engines.engine import NetEngine
from fcn.inference.tiling.windows import smallest_window
from fcn.models.fields import NetDescription

# For the program and its libraries, 0.8 GB; the weights of a full net, 0.5, and what is left from reading
# them; an image of 108 megapixels, its label and confidences, 0.9.
RESERVED_GIGABYTES = 2.5
"""Memory of a process that labels, but for the maps of its net."""

# When logits are enlarged, neighboring windows share the inputs of two outputs, including those of weight 0.
# So each output has all its inputs in one window.
OVERLAP = 6
"""Rows or columns that windows of a shrunk image share beside the receptive field."""

_FLOAT_BYTES = 4


def describe_net(engine: NetEngine) -> NetDescription:
    """Returns the description of an engine's net."""
    return engine.net or largest_net(len(engine.classes.names))


def largest_net(num_classes: int) -> NetDescription:
    """Returns the net that takes most memory, for an export of an old version without a description."""
    return NetDescription(8, "same", 1.0, 1.0, num_classes)


def least_map_bytes(engine: NetEngine) -> int:
    """Returns the memory for the maps of the smallest window of an engine's net."""
    return smallest_window_bytes(describe_net(engine))


def smallest_window_bytes(net: NetDescription) -> int:
    """Returns the memory for the maps of the smallest window of a net."""
    side = smallest_window(net.halo(), OVERLAP)
    return net.map_bytes(side, side)


def labeling_bytes(net: NetDescription, height: int, width: int) -> int:
    """Estimates the memory that labeling an image in one piece takes, but for the image and the result.

    A net with an `input_scale` also holds two copies of the image as floats, and three of the logits at the
    image's size.

    Args:
        net: The net.
        height: Rows of the image.
        width: Its columns.

    Example:
        >>> labeling_bytes(NetDescription(8, "same", 0.5, 1.0, 21), 320, 320) / 320**2
        510.0
    """
    if net.input_scale == 1:
        return net.map_bytes(height, width)
    from fcn.models.resizing import shrunk_size  # imports Keras, which takes seconds

    small = (shrunk_size(height, net.input_scale), shrunk_size(width, net.input_scale))
    floats = 2 * 3 + 3 * net.num_classes
    return net.map_bytes(*small) + _FLOAT_BYTES * floats * height * width
