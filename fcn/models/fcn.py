"""FCN-32s, FCN-16s and FCN-8s (Long et al., "Fully convolutional networks for semantic segmentation")."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from fcn.classes import MAX_CLASSES, VOC_CLASS_NAMES, Classes
from fcn.models.geometry import CropOffsets, reference_crop_offsets
from fcn.models.resizing import ResizeLike, Shrink
from fcn.models.upsampling import CropLike, upscore
from fcn.models.vgg import FC_CHANNELS, ImageNormalization, scaled, vgg16_features

IMAGENET_MEAN = (123.675, 116.28, 103.53)
"""Mean of the red, green and blue channel over ImageNet's training images, 0 to 255."""

IMAGENET_SCALE = (1 / 58.395, 1 / 57.12, 1 / 57.375)
"""One over the standard deviation of each channel over ImageNet's training images."""

AT_ONCE_SKIP_SCALES = (1e-2, 1e-4)
"""Factors of pool4 and pool3 with which FCN-8s is trained at once, all skips from the start (PAMI 2017)."""

GEOMETRIES = ("same", "reference")
UPSAMPLING = ("learned", "learned_intermediate", "frozen")


@keras.saving.register_keras_serializable(package="fcn")
class FCN(keras.Model):  # type: ignore[misc]
    """A fully convolutional VGG16 with learnable upsampling and skip connections.

    An ordinary functional Keras model: it compiles, fits and saves as any other. On a CPU compile it with
    `jit_compile=False`: XLA makes transposed convolutions many times slower there.

    Input: `[B, H, W, 3]` RGB, 0 to 255, any H and W from 1. Output: logits `float32[B, H, W,
    num_classes]`; no softmax inside.

    Args:
        num_classes: How many classes to tell apart, void not counted; 1 to 255.
        stride: Output stride of the finest scores: 32, 16 (adds pool4) or 8 (adds pool4 and pool3).
        width: Channels of every layer in front of the scores, relative to VGG16.
        fc_channels: Channels of fc6 and fc7; None for 4,096 times `width`.
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

    def __init__(
        self,
        num_classes: int = len(VOC_CLASS_NAMES),
        *,
        stride: int = 8,
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
        if upsampling not in UPSAMPLING:
            raise ValueError(f"Expected `upsampling` to be one of {UPSAMPLING}. Received: {upsampling!r}.")
        if geometry not in GEOMETRIES:
            raise ValueError(f"Expected `geometry` to be one of {GEOMETRIES}. Received: {geometry!r}.")
        if len(skip_scales) != 2:
            raise ValueError(f"Expected `skip_scales` for pool4 and pool3. Received: {skip_scales}.")
        if not 1 <= num_classes <= MAX_CLASSES:
            raise ValueError(f"Expected 1 to {MAX_CLASSES} classes. Received: num_classes={num_classes}.")
        if width <= 0:
            raise ValueError(f"Expected a positive `width`. Received: width={width}.")
        if len(mean) != 3 or len(scale) != 3:
            raise ValueError(
                f"Expected a `mean` and `scale` for each of 3 channels. Received: mean={mean}, scale={scale}."
            )
        names = _class_names(num_classes) if class_names is None else tuple(class_names)
        colors = Classes.named(names).palette if palette is None else tuple(map(tuple, palette))
        if len(names) != num_classes or len(colors) != num_classes:
            raise ValueError(
                f"Expected one name and one color for each of {num_classes} classes. "
                f"Received: {len(names)} names, {len(colors)} colors."
            )
        if any(len(color) != 3 for color in colors):
            raise ValueError(f"Expected (red, green, blue) for each color. Received: palette={colors}.")

        # === Layers ===
        normalization = ImageNormalization(channel_order, mean, scale, dtype="float32", name="normalization")
        reference = geometry == "reference"
        crops = reference_crop_offsets(stride) if reference else CropOffsets(0, 0, 0)
        padding = "valid" if reference else "same"
        skips = {32: (), 16: ("pool4",), 8: ("pool4", "pool3")}[stride]
        scales = dict(zip(("pool4", "pool3"), skip_scales, strict=True))

        # === Functional model ===
        images = keras.Input((None, None, 3), name="images")
        fc = scaled(FC_CHANNELS, width) if fc_channels is None else fc_channels
        shrunk = images if input_scale == 1 else Shrink(input_scale, dtype="float32", name="shrink")(images)
        features = vgg16_features(normalization(shrunk), width, fc, dropout, batch_normalization, geometry)
        scores = _score(features.fc7, num_classes, "score_fr")
        upscore_name = "upscore2"
        for skip in skips:
            scores = upscore(scores, 2, num_classes, upsampling != "frozen", upscore_name, padding)
            pool = getattr(features, skip)
            if scales[skip] != 1:
                pool = keras.layers.Rescaling(scales[skip], name=f"scale_{skip}")(pool)
            skip_scores = _score(pool, num_classes, f"score_{skip}")
            # The larger of the two is cut: without padding that is the skip, with it the upsampled scores.
            if reference:
                crop = CropLike(getattr(crops, skip), name=f"score_{skip}c")
                skip_scores = crop([skip_scores, scores])
            else:
                scores = CropLike(name=f"{upscore_name}_crop")([scores, skip_scores])
            scores = keras.layers.Add(name=f"fuse_{skip}")([scores, skip_scores])
            upscore_name = f"upscore_{skip}"
        scores = upscore(scores, stride, num_classes, upsampling == "learned", f"upscore{stride}", padding)
        last = "logits" if input_scale == 1 else "shrunk_logits"
        logits = CropLike(crops.scores, dtype="float32", name=last)([scores, shrunk])
        if input_scale != 1:
            logits = ResizeLike(dtype="float32", name="logits")([logits, images])
        super().__init__(inputs=images, outputs=logits, name=name or f"fcn{stride}s", **kwargs)

        # === Config ===
        self.num_classes = num_classes
        self.stride = stride
        self.width = width
        self.fc_channels = fc_channels
        self.geometry = geometry
        self.skip_scales = tuple(skip_scales)
        self.upsampling = upsampling
        self.dropout = dropout
        self.batch_normalization = batch_normalization
        self.channel_order = channel_order
        self.mean = tuple(mean)
        self.scale = tuple(scale)
        self.input_scale = input_scale
        self.class_names = names
        self.palette = colors

    @property
    def classes(self) -> Classes:
        """The names and colors of the classes the net tells apart."""
        return Classes.with_palette(self.class_names, np.array(self.palette, np.uint8))

    def without_resizing(self) -> keras.Model:
        """Returns the layers between making an image smaller and bringing its logits back to its size.

        The same layers with the same weights: from `float[B, H, W, 3]`, an image at `input_scale`, to logits
        `float32[B, H, W, num_classes]`. Of a net that leaves images as they are: the net itself.
        """
        if self.input_scale == 1:
            return self
        return keras.Model(
            self.get_layer("shrink").output,
            self.get_layer("shrunk_logits").output,
            name=f"shrunk_{self.name}",
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this net again, without its weights."""
        return {
            "num_classes": self.num_classes,
            "stride": self.stride,
            "width": self.width,
            "fc_channels": self.fc_channels,
            "geometry": self.geometry,
            "skip_scales": self.skip_scales,
            "upsampling": self.upsampling,
            "dropout": self.dropout,
            "batch_normalization": self.batch_normalization,
            "channel_order": self.channel_order,
            "mean": self.mean,
            "scale": self.scale,
            "input_scale": self.input_scale,
            "class_names": self.class_names,
            "palette": self.palette,
            "name": self.name,
            "trainable": self.trainable,
        }


def _class_names(num_classes: int) -> tuple[str, ...]:
    if num_classes == len(VOC_CLASS_NAMES):
        return VOC_CLASS_NAMES
    return tuple(str(class_id) for class_id in range(num_classes))


def _score(features: Any, num_classes: int, name: str) -> Any:
    """Scores each class at each place of a feature map, `float[B, H, W, C]`; starts at zero everywhere."""
    return keras.layers.Conv2D(num_classes, 1, kernel_initializer="zeros", name=name)(features)
