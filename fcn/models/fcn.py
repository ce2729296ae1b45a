"""FCN-32s, FCN-16s and FCN-8s (Long et al., "Fully convolutional networks for semantic segmentation")."""

from collections.abc import Sequence
from typing import Any

import keras

from fcn.classes import VOC_CLASS_NAMES
from fcn.models.geometry import CropOffsets, reference_crop_offsets
from fcn.models.net import (
    IMAGENET_MEAN,
    IMAGENET_SCALE,
    NetSettings,
    SegmentationNet,
    fit_to_image,
    preprocess,
    score,
)
from fcn.models.upsampling import CropLike, upscore
from fcn.models.vgg import vgg16_features

AT_ONCE_SKIP_SCALES = (1e-2, 1e-4)
"""Factors of pool4 and pool3 with which FCN-8s is trained at once, all skips from the start (PAMI 2017)."""


@keras.saving.register_keras_serializable(package="fcn")
class FCN(SegmentationNet):
    """A fully convolutional VGG16 with learnable upsampling and skip connections.

    An ordinary functional Keras model: it compiles, fits and saves as any other. On a CPU compile it with
    `jit_compile=False`: XLA makes transposed convolutions many times slower there.

    Input: `[B, H, W, 3]` RGB, 0 to 255, any H and W from 1. Output: logits `float32[B, H, W,
    num_classes]`; no softmax inside.

    Args:
        num_classes: How many classes to tell apart, void not counted; 1 to 255.
        stride: Output stride of the finest scores: 32, 16 (adds pool4) or 8 (adds pool4 and pool3).
        fc6: "full": VGG16's, 7x7; "largefov": DeepLab's, every third of its taps, with a quarter of the
            channels.
        width: Channels of every layer in front of the scores, relative to VGG16.
        fc_channels: Channels of fc6 and fc7; None for 4,096 times `width`, or 1,024 times with "largefov".
        geometry: "same" keeps the size by padding each layer; "reference" is that of the published nets,
            for their weights: 100 zeros around the image, fc6 without padding, crops.
        skip_scales: Factors of pool4 and pool3 in front of their score layers.
        upsampling: "learned"; "learned_intermediate" keeps the last transposed convolution bilinear
            (CVPR 2015); "frozen" keeps all of them so (PAMI 2017).
        dropout: Share of the channels dropped after fc6 and fc7 while training.
        batch_normalization: Whether to normalize after each convolution, for training without
            pretrained weights.
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
        >>> FCN(num_classes=3, width=1 / 16).compute_output_shape((1, 45, 67, 3))
        (1, 45, 67, 3)
    """

    paper = 'Long et al., "Fully convolutional networks for semantic segmentation", CVPR 2015'

    def __init__(
        self,
        num_classes: int = len(VOC_CLASS_NAMES),
        *,
        stride: int = 8,
        fc6: str = "full",
        width: float = 1.0,
        fc_channels: int | None = None,
        geometry: str = "same",
        skip_scales: Sequence[float] = (1.0, 1.0),
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
        if stride not in (32, 16, 8):
            raise ValueError(f"Expected a `stride` of 32, 16 or 8. Received: stride={stride}.")
        if len(skip_scales) != 2:
            raise ValueError(f"Expected `skip_scales` for pool4 and pool3. Received: {skip_scales}.")
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

        # === Layers ===
        reference = geometry == "reference"
        crops = reference_crop_offsets(stride) if reference else CropOffsets(0, 0, 0)
        padding = "valid" if reference else "same"
        skips = {32: (), 16: ("pool4",), 8: ("pool4", "pool3")}[stride]
        scales = dict(zip(("pool4", "pool3"), skip_scales, strict=True))

        # === Functional model ===
        model_input = preprocess(settings)
        features = vgg16_features(
            model_input.normalized, width, settings.channels, dropout, batch_normalization, geometry, fc6
        )
        scores = score(features.fc7, num_classes, self.score_layer)
        upscore_name = "upscore2"
        for skip in skips:
            scores = upscore(scores, 2, num_classes, upsampling != "frozen", upscore_name, padding)
            pool = getattr(features, skip)
            if scales[skip] != 1:
                pool = keras.layers.Rescaling(scales[skip], name=f"scale_{skip}")(pool)
            skip_scores = score(pool, num_classes, f"score_{skip}")
            # The larger of the two is cut: without padding that is the skip, with it the upsampled scores.
            if reference:
                crop = CropLike(getattr(crops, skip), name=f"score_{skip}c")
                skip_scores = crop([skip_scores, scores])
            else:
                scores = CropLike(name=f"{upscore_name}_crop")([scores, skip_scores])
            scores = keras.layers.Add(name=f"fuse_{skip}")([scores, skip_scores])
            upscore_name = f"upscore_{skip}"
        scores = upscore(scores, stride, num_classes, upsampling == "learned", f"upscore{stride}", padding)
        logits = fit_to_image(scores, model_input, settings, crops.scores)
        kind = f"fcn{stride}s" if fc6 == "full" else f"fcn{stride}s_{fc6}"
        super().__init__(model_input, logits, settings, name or kind, **kwargs)

        # === Config ===
        self.stride = stride
        self.skip_scales = tuple(skip_scales)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this net again, without its weights."""
        return super().get_config() | {"stride": self.stride, "skip_scales": self.skip_scales}
