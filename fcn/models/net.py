"""The class of all nets, and the layers in front of and behind those that differ from net to net."""

from dataclasses import fields
from typing import Any, ClassVar, NamedTuple

import keras
import numpy as np

from fcn.classes import Classes
from fcn.models.arguments import NetArguments
from fcn.models.resizing import ResizeLike, Shrink
from fcn.models.upsampling import CropLike
from fcn.models.vgg import ImageNormalization


class ModelInput(NamedTuple):
    """The symbolic image in front of the first convolution.

    Attributes:
        images: `[B, H, W, 3]` RGB, 0 to 255.
        shrunk: The same at the net's `input_scale`.
        normalized: `float[B, h, w, 3]`, as the weights expect it.
    """

    images: Any
    shrunk: Any
    normalized: Any


def preprocess(arguments: NetArguments) -> ModelInput:
    """Makes the layers in front of the first convolution."""
    normalization = ImageNormalization(
        arguments.channel_order, arguments.mean, arguments.scale, dtype="float32", name="normalization"
    )
    images = keras.Input((None, None, 3), name="images")
    shrunk = images
    if arguments.input_scale != 1:
        shrunk = Shrink(arguments.input_scale, dtype="float32", name="shrink")(images)
    return ModelInput(images, shrunk, normalization(shrunk))


def fit_to_image(scores: Any, model_input: ModelInput, input_scale: float, offset: int = 0) -> Any:
    """Makes the layers behind the last upsampling, which cut scores to the image and bring them to its size.

    Args:
        scores: `float[B, H, W, num_classes]`, at least as large as what the layers saw.
        model_input: Where the image came in.
        input_scale: Size at which the layers see an image, relative to its own.
        offset: Scores cut off at the top and on the left.

    Returns:
        Logits, `float32[B, H, W, num_classes]`.
    """
    whole = input_scale == 1
    last = "logits" if whole else "shrunk_logits"
    logits = CropLike(offset, dtype="float32", name=last)([scores, model_input.shrunk])
    return logits if whole else ResizeLike(dtype="float32", name="logits")([logits, model_input.images])


def score(features: Any, num_classes: int, name: str) -> Any:
    """Scores each class at each place of a feature map, `float[B, H, W, C]`; starts at zero everywhere."""
    return keras.layers.Conv2D(num_classes, 1, kernel_initializer="zeros", name=name)(features)


class SegmentationNet(keras.Model):  # type: ignore[misc]
    """A functional Keras model from images of any size to logits of the same size.

    Each of its arguments is an attribute too: `net.num_classes`, `net.input_scale`, ...

    Args:
        model_input: The symbolic image.
        logits: The symbolic logits.
        arguments: The checked arguments that its layers were made of.
        default_name: Name of the model where the arguments have none.

    Attributes:
        score_layer: Name of the first layer that has a channel for each class, which starts at zero.
        paper: Where the net is described.
        stride: Output stride of the finest scores.
        classes: Names and colors of the classes.
    """

    score_layer: ClassVar[str] = "score_fr"
    paper: str
    stride: int

    def __init__(
        self, model_input: ModelInput, logits: Any, arguments: NetArguments, default_name: str
    ) -> None:
        super().__init__(
            inputs=model_input.images,
            outputs=logits,
            name=arguments.name or default_name,
            trainable=arguments.trainable,
        )
        self._argument_names = tuple(field.name for field in fields(arguments))
        for name in self._argument_names:
            if name not in ("name", "trainable"):  # which Keras keeps
                setattr(self, name, getattr(arguments, name))

    @property
    def classes(self) -> Classes:
        """Names and colors of the classes."""
        return Classes.with_palette(self.class_names, np.array(self.palette, np.uint8))

    def has_trained_scores(self) -> bool:
        """Returns whether the scores mean anything: those of a new net or a classifier are zero."""
        return bool(np.asarray(self.get_layer(self.score_layer).kernel).any())

    def without_resizing(self) -> keras.Model:
        """Returns the net without its first and last resizing, for images that already are at `input_scale`.

        It shares its layers and weights: from `float[B, H, W, 3]` to logits `float32[B, H, W, num_classes]`.
        With an `input_scale` of 1 it is the net itself.
        """
        if self.input_scale == 1:
            return self
        return keras.Model(
            self.get_layer("shrink").output,
            self.get_layer("shrunk_logits").output,
            name=f"shrunk_{self.name}",
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of this net; `channels` and `temperatures` only if it has some."""
        config = {name: getattr(self, name) for name in self._argument_names}
        for name in ("channels", "temperatures"):
            if config[name] is None:  # a file that versions without this argument can read too
                del config[name]
        return config
