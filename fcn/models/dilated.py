"""Nets that dilate instead of pooling: the front end and context net of Yu & Koltun, DeepLab's LargeFOV."""

from collections.abc import Sequence
from typing import Any

import keras

from fcn.classes import VOC_CLASS_NAMES
from fcn.models.context import CONTEXTS, context_module
from fcn.models.geometry import (
    BLOCK5_DILATION,
    DILATED_FC6,
    DILATED_POOLED_BLOCKS,
    FC6_KERNEL_SIZES,
    REFLECTION_PADDING,
)
from fcn.models.net import (
    IMAGENET_MEAN,
    IMAGENET_SCALE,
    NetSettings,
    SegmentationNet,
    fit_to_image,
    preprocess,
    score,
)
from fcn.models.reflection import ReflectionPadding
from fcn.models.upsampling import upscore
from fcn.models.vgg import VGG16_BLOCKS, block_convolutions, fully_connected

_YU_KOLTUN = 'Yu & Koltun, "Multi-scale context aggregation by dilated convolutions", ICLR 2016'
_DEEPLAB = (
    'Chen et al., "Semantic image segmentation with deep convolutional nets and fully connected CRFs", '
    "ICLR 2015"
)


@keras.saving.register_keras_serializable(package="fcn")
class DilatedNet(SegmentationNet):
    """A fully convolutional VGG16 without pool4 and pool5, whose later kernels are dilated instead.

    The same weights as an FCN's, and a map of stride 8 where an FCN has one of stride 32. "frontend" in the
    configuration is fc6 "full" without context, "context" the same with it, "largefov" fc6 "largefov".

    Input: `[B, H, W, 3]` RGB, 0 to 255, any H and W from 1. Output: logits `float32[B, H, W,
    num_classes]`; no softmax inside.

    Args:
        num_classes: How many classes to tell apart, void not counted; 1 to 255.
        context: "none"; or "basic" or "large", the context module on top of the scores.
        fc6: "full": VGG16's, 7x7 dilated by 4; "largefov": DeepLab's, 3x3 dilated by 12, with a quarter of
            the channels.
        width: Channels of every layer in front of the scores, relative to VGG16.
        fc_channels: Channels of fc6 and fc7; None for 4,096 times `width`, or 1,024 times with "largefov".
        geometry: "same" keeps the size by padding each layer; "reference" is that of the published nets,
            for their weights: the image reflected by 186 pixels, nothing padded behind that.
        upsampling: "learned"; "learned_intermediate" and "frozen" keep the transposed convolution bilinear.
        dropout: Share of the channels dropped after fc6 and fc7 while training.
        batch_normalization: Whether to normalize after each convolution in front of the scores, for training
            without pretrained weights.
        channel_order: "rgb" or "bgr": what the weights expect.
        mean: Mean of each channel, 0 to 255, in that order.
        scale: Factor of each channel after the mean is subtracted, in that order.
        input_scale: Size at which the layers see an image, relative to its own; the logits are interpolated
            back. Above 0, at most 1.
        class_names: One name a class; None for VOC's if there are 21 classes, else their ids.
        palette: `(red, green, blue)` a class, 0 to 255; None for VOC's.

    Raises:
        ValueError: If an argument has none of these values.

    Example:
        >>> DilatedNet(num_classes=3, width=1 / 16, fc_channels=8).compute_output_shape((1, 45, 67, 3))
        (1, 45, 67, 3)
    """

    score_layer = "final"
    stride = 2**DILATED_POOLED_BLOCKS

    def __init__(
        self,
        num_classes: int = len(VOC_CLASS_NAMES),
        *,
        context: str = "none",
        fc6: str = "full",
        width: float = 1.0,
        fc_channels: int | None = None,
        geometry: str = "same",
        upsampling: str = "learned",
        dropout: float = 0.5,
        batch_normalization: bool = False,
        channel_order: str = "rgb",
        mean: Sequence[float] = IMAGENET_MEAN,
        scale: Sequence[float] = IMAGENET_SCALE,
        input_scale: float = 1.0,
        class_names: Sequence[str] | None = None,
        palette: Sequence[Sequence[int]] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if context not in ("none", *CONTEXTS):
            raise ValueError(f"Expected `context` to be none, basic or large. Received: context={context!r}.")
        settings = NetSettings(
            num_classes=num_classes,
            fc6=fc6,
            width=width,
            fc_channels=fc_channels,
            geometry=geometry,
            upsampling=upsampling,
            dropout=dropout,
            batch_normalization=batch_normalization,
            channel_order=channel_order,
            mean=mean,
            scale=scale,
            input_scale=input_scale,
            class_names=class_names,
            palette=palette,
        ).checked()

        # === Functional model ===
        model_input = preprocess(settings)
        scores = score(_features(model_input.normalized, settings), num_classes, self.score_layer)
        if context != "none":
            scores = context_module(scores, num_classes, context, geometry)
        scores = upscore(scores, self.stride, num_classes, upsampling == "learned", f"upscore{self.stride}")
        logits = fit_to_image(scores, model_input, settings)
        kind = "largefov" if fc6 == "largefov" else "frontend"
        super().__init__(
            model_input, logits, settings, name or (kind if context == "none" else "context"), **kwargs
        )

        # === Config ===
        self.context = context
        self.paper = _DEEPLAB if fc6 == "largefov" else _YU_KOLTUN

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this net again, without its weights."""
        return super().get_config() | {"context": self.context}


def _features(images: Any, settings: NetSettings) -> Any:
    """Applies VGG16 without its last two poolings: `float[B, H / 8, W / 8, C]`, sizes rounded up."""
    x, padding = images, "same"
    if settings.geometry == "reference":
        x = ReflectionPadding(REFLECTION_PADDING, name="block1_pad")(x)
        padding = "valid"
    for block in range(1, len(VGG16_BLOCKS) + 1):
        rate = BLOCK5_DILATION if block == len(VGG16_BLOCKS) else 1
        x = block_convolutions(
            x, block, settings.width, settings.batch_normalization, (padding, padding), rate
        )
        if block <= DILATED_POOLED_BLOCKS:
            x = keras.layers.MaxPooling2D(2, padding="same", name=f"block{block}_pool")(x)
    return fully_connected(
        x,
        settings.channels,
        settings.dropout,
        settings.batch_normalization,
        padding,
        FC6_KERNEL_SIZES[settings.fc6],
        DILATED_FC6[settings.fc6],
    )
