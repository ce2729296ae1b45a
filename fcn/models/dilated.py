"""Nets that dilate instead of pooling: the front end and context net of Yu & Koltun, DeepLab's LargeFOV."""

from typing import Any

import keras

from fcn.models.architecture import (
    BLOCK5_DILATION,
    DILATED_FC6,
    DILATED_POOLED_BLOCKS,
    FC6_KERNEL_SIZES,
    REFLECTION_PADDING,
    VGG16_BLOCKS,
)
from fcn.models.arguments import DilatedNetArguments, NetArguments, collect_arguments
from fcn.models.context import context_module
from fcn.models.keras_defaults import keras_defaults
from fcn.models.net import SegmentationNet, fit_to_image, preprocess, score
from fcn.models.reflection import ReflectionPadding
from fcn.models.upsampling import upscore
from fcn.models.vgg import block_convolutions, fully_connected

_YU_KOLTUN = 'Yu & Koltun, "Multi-scale context aggregation by dilated convolutions", ICLR 2016'
_DEEPLAB = (
    'Chen et al., "Semantic image segmentation with deep convolutional nets and fully connected CRFs", '
    "ICLR 2015"
)


@keras.saving.register_keras_serializable(package="fcn")
class DilatedNet(SegmentationNet):
    """A fully convolutional VGG16 without pool4 and pool5, with dilated kernels after them.

    It has the weights of an FCN, and a map of stride 8 where an FCN has one of stride 32. "frontend" in a
    configuration is fc6 "full" without a context module, "context" the same with one, "largefov" fc6
    "largefov".

    Input: `[B, H, W, 3]` RGB, 0 to 255, any H and W from 1. Output: logits `float32[B, H, W,
    num_classes]`; no softmax inside.

    Args:
        context: "none"; or "basic" or "large", the context module on top of the scores.
        others: As every net has them: `fcn.models.arguments.NetArguments` documents each.

    Raises:
        ValueError: If an argument has none of these values.

    Example:
        >>> DilatedNet(num_classes=3, width=1 / 16, fc_channels=8).compute_output_shape((1, 45, 67, 3))
        (1, 45, 67, 3)
    """

    score_layer = "final"
    stride = 2**DILATED_POOLED_BLOCKS

    @collect_arguments(DilatedNetArguments)
    @keras_defaults()
    def __init__(self, arguments: DilatedNetArguments) -> None:
        num_classes, context = arguments.num_classes, arguments.context
        learned = arguments.upsampling == "learned"
        largefov = arguments.fc6 == "largefov"

        # === Functional model ===
        model_input = preprocess(arguments)
        scores = score(_features(model_input.normalized, arguments), num_classes, self.score_layer)
        if context != "none":
            scores = context_module(scores, num_classes, context, arguments.geometry)
        scores = upscore(scores, self.stride, num_classes, learned, f"upscore{self.stride}")
        logits = fit_to_image(scores, model_input, arguments.input_scale)
        kind = "context" if context != "none" else "largefov" if largefov else "frontend"
        super().__init__(model_input, logits, arguments, kind)

        # === Source ===
        self.paper = _DEEPLAB if largefov else _YU_KOLTUN


def _features(images: Any, arguments: NetArguments) -> Any:
    """Applies VGG16 without its last two poolings: `float[B, H / 8, W / 8, C]`, sizes rounded up."""
    x, padding = images, "same"
    if arguments.geometry == "reference":
        x = ReflectionPadding(REFLECTION_PADDING, name="block1_pad")(x)
        padding = "valid"
    for block in range(1, len(VGG16_BLOCKS) + 1):
        rate = BLOCK5_DILATION if block == len(VGG16_BLOCKS) else 1
        x = block_convolutions(x, block, arguments, (padding, padding), rate)
        if block <= DILATED_POOLED_BLOCKS:
            x = keras.layers.MaxPooling2D(2, padding="same", name=f"block{block}_pool")(x)
    return fully_connected(x, arguments, padding, FC6_KERNEL_SIZES[arguments.fc6], DILATED_FC6[arguments.fc6])
