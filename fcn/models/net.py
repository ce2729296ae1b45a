"""What all nets of this package have in common: an interface, and what stands around their layers."""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import keras
import numpy as np

from fcn.classes import MAX_CLASSES, VOC_CLASS_NAMES, Classes
from fcn.models.resizing import ResizeLike, Shrink
from fcn.models.upsampling import CropLike
from fcn.models.vgg import CHANNELS_BY_FC6, ImageNormalization, scaled

IMAGENET_MEAN = (123.675, 116.28, 103.53)
"""Mean of the red, green and blue channel over ImageNet's training images, 0 to 255."""

IMAGENET_SCALE = (1 / 58.395, 1 / 57.12, 1 / 57.375)
"""One over the standard deviation of each channel over ImageNet's training images."""

GEOMETRIES = ("same", "reference")
UPSAMPLING = ("learned", "learned_intermediate", "frozen")


class NetSettings(NamedTuple):
    """The arguments that every net has; `fcn.models.fcn.FCN` says what they mean."""

    num_classes: int
    fc6: str
    width: float
    fc_channels: int | None
    geometry: str
    upsampling: str
    dropout: float
    batch_normalization: bool
    channel_order: str
    mean: Sequence[float]
    scale: Sequence[float]
    input_scale: float
    class_names: Sequence[str] | None
    palette: Sequence[Sequence[int]] | None

    @property
    def channels(self) -> int:
        """Channels of fc6 and fc7."""
        full = CHANNELS_BY_FC6[self.fc6]
        return scaled(full, self.width) if self.fc_channels is None else self.fc_channels

    def checked(self) -> "NetSettings":
        """Returns the same with tuples, and names and colors of the classes where there were none.

        Raises:
            ValueError: If an argument has no value that it may have.
        """
        num_classes, mean, scale = self.num_classes, self.mean, self.scale
        if self.upsampling not in UPSAMPLING:
            raise ValueError(
                f"Expected `upsampling` to be one of {UPSAMPLING}. Received: {self.upsampling!r}."
            )
        if self.geometry not in GEOMETRIES:
            raise ValueError(f"Expected `geometry` to be one of {GEOMETRIES}. Received: {self.geometry!r}.")
        if self.fc6 not in CHANNELS_BY_FC6:
            raise ValueError(f"Expected `fc6` to be one of {tuple(CHANNELS_BY_FC6)}. Received: {self.fc6!r}.")
        if not 1 <= num_classes <= MAX_CLASSES:
            raise ValueError(f"Expected 1 to {MAX_CLASSES} classes. Received: num_classes={num_classes}.")
        if self.width <= 0:
            raise ValueError(f"Expected a positive `width`. Received: width={self.width}.")
        if len(mean) != 3 or len(scale) != 3:
            raise ValueError(
                f"Expected a `mean` and `scale` for each of 3 channels. Received: mean={mean}, scale={scale}."
            )
        names = _class_names(num_classes) if self.class_names is None else tuple(self.class_names)
        colors = Classes.named(names).palette if self.palette is None else tuple(map(tuple, self.palette))
        if len(names) != num_classes or len(colors) != num_classes:
            raise ValueError(
                f"Expected one name and one color for each of {num_classes} classes. "
                f"Received: {len(names)} names, {len(colors)} colors."
            )
        if any(len(color) != 3 for color in colors):
            raise ValueError(f"Expected (red, green, blue) for each color. Received: palette={colors}.")
        return self._replace(mean=tuple(mean), scale=tuple(scale), class_names=names, palette=colors)


class ModelInput(NamedTuple):
    """What images become before the first convolution, symbolic.

    Attributes:
        images: `[B, H, W, 3]` RGB, 0 to 255.
        shrunk: The same at the net's `input_scale`.
        normalized: `float[B, h, w, 3]`, as the weights expect it.
    """

    images: Any
    shrunk: Any
    normalized: Any


def preprocess(settings: NetSettings) -> ModelInput:
    """Makes the layers in front of the first convolution."""
    normalization = ImageNormalization(
        settings.channel_order, settings.mean, settings.scale, dtype="float32", name="normalization"
    )
    images = keras.Input((None, None, 3), name="images")
    shrunk = images
    if settings.input_scale != 1:
        shrunk = Shrink(settings.input_scale, dtype="float32", name="shrink")(images)
    return ModelInput(images, shrunk, normalization(shrunk))


def fit_to_image(scores: Any, model_input: ModelInput, settings: NetSettings, offset: int = 0) -> Any:
    """Makes the layers behind the last upsampling: scores cut to the image, at its own size.

    Args:
        scores: `float[B, H, W, num_classes]`, at least as large as what the layers saw.
        model_input: Where the image came in.
        settings: Of the net.
        offset: Scores cut off at the top and on the left.

    Returns:
        Logits, `float32[B, H, W, num_classes]`.
    """
    whole = settings.input_scale == 1
    last = "logits" if whole else "shrunk_logits"
    logits = CropLike(offset, dtype="float32", name=last)([scores, model_input.shrunk])
    return logits if whole else ResizeLike(dtype="float32", name="logits")([logits, model_input.images])


def score(features: Any, num_classes: int, name: str) -> Any:
    """Scores each class at each place of a feature map, `float[B, H, W, C]`; starts at zero everywhere."""
    return keras.layers.Conv2D(num_classes, 1, kernel_initializer="zeros", name=name)(features)


class SegmentationNet(keras.Model):  # type: ignore[misc]
    """A functional model from images of any size to logits of the same size: what commands work with.

    Args:
        model_input: Where images come in.
        logits: What becomes of them.
        settings: What the layers were made of, checked.
        name: Of the net.
        kwargs: As of `keras.Model`.

    Attributes:
        score_layer: Name of the first layer that has a channel for each class, which starts at zero.
        paper: Where the net is described.
        stride: Output stride of the finest scores.
        classes: The names and colors of the classes the net tells apart.
    """

    score_layer: ClassVar[str] = "score_fr"
    paper: str
    stride: int

    def __init__(
        self, model_input: ModelInput, logits: Any, settings: NetSettings, name: str, **kwargs: Any
    ) -> None:
        super().__init__(inputs=model_input.images, outputs=logits, name=name, **kwargs)
        self.num_classes = settings.num_classes
        self.fc6 = settings.fc6
        self.width = settings.width
        self.fc_channels = settings.fc_channels
        self.geometry = settings.geometry
        self.upsampling = settings.upsampling
        self.dropout = settings.dropout
        self.batch_normalization = settings.batch_normalization
        self.channel_order = settings.channel_order
        self.mean = settings.mean
        self.scale = settings.scale
        self.input_scale = settings.input_scale
        self.class_names: Any = settings.class_names
        self.palette: Any = settings.palette

    @property
    def classes(self) -> Classes:
        """The names and colors of the classes the net tells apart."""
        return Classes.with_palette(self.class_names, np.array(self.palette, np.uint8))

    def has_trained_scores(self) -> bool:
        """Tells whether the scores mean anything: those of a new net, or an imported classifier, are zero."""
        return bool(np.asarray(self.get_layer(self.score_layer).kernel).any())

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
        return {name: getattr(self, name) for name in NetSettings._fields} | {
            "name": self.name,
            "trainable": self.trainable,
        }


def _class_names(num_classes: int) -> tuple[str, ...]:
    if num_classes == len(VOC_CLASS_NAMES):
        return VOC_CLASS_NAMES
    return tuple(str(class_id) for class_id in range(num_classes))
