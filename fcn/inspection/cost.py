"""Multiply-adds of layers."""

import math
from typing import Any

from fcn.inspection.graph import Node
from fcn.inspection.layer_operations import CONVOLUTIONS, DEPTHWISE, MERGING, SEPARABLE, TRANSPOSED, layers
from fcn.models.resizing import ResizeLike
from fcn.models.upsampling import CropLike

OPERATIONS_PER_MULTIPLY_ADD = 2
"""A multiplication and an addition, as processors are rated."""

# Layers with few operations per element, which are not counted.
_SCALING = (
    *(layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization),
    *(layers.Normalization, layers.PReLU),
)
# Layers that join maps without adding up products.
_JOINING = (*MERGING, CropLike, ResizeLike)


def multiply_adds(node: Node) -> int | None:
    """Returns how many products of an input and a weight a layer adds up, for one image.

    Places in the padding count too, as programs compute them. Biases, pooling, activations, normalization
    and interpolation do not count.

    Args:
        node: A call of the layer.

    Returns:
        The count; None for a layer of an unknown kind with weights or several inputs, such as attention.

    Example:
        >>> shape = (1, 4, 4, 3)
        >>> multiply_adds(Node(layers.Conv2D(8, 3, padding="same"), (0,), (shape,), (1, 4, 4, 8), "float32"))
        3456
    """
    layer: Any = node.layer
    places = math.prod(node.output_shape[1:-1])
    if isinstance(layer, CONVOLUTIONS):
        channels = node.input_shapes[0][-1] // layer.groups
        return int(places * math.prod(layer.kernel_size) * channels * layer.filters)
    if isinstance(layer, TRANSPOSED):
        # Each input is multiplied with the whole kernel; outputs that are cut off have been computed too.
        sources = math.prod(node.input_shapes[0][1:-1])
        return int(sources * math.prod(layer.kernel_size) * node.input_shapes[0][-1] * layer.filters)
    if isinstance(layer, (*DEPTHWISE, *SEPARABLE)):
        channels = node.input_shapes[0][-1] * layer.depth_multiplier
        mixed = channels * layer.filters if isinstance(layer, SEPARABLE) else 0
        return int(places * (math.prod(layer.kernel_size) * channels + mixed))
    if isinstance(layer, layers.Dense):
        return math.prod(node.output_shape) * node.input_shapes[0][-1]
    weighs = bool(getattr(layer, "weights", None)) and not isinstance(layer, _SCALING)
    multiplies = len(node.inputs) > 1 and not isinstance(layer, _JOINING)
    return None if weighs or multiplies else 0
