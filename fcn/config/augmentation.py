"""The section `augmentation` of a configuration: each key with its type, its default and its meaning."""

from typing import Annotated

from pydantic import Field, model_validator

from fcn.config.section import PAIR, Count, Fraction, Positive, Section, Share

_NEED_CROPS = ("rotation", "shear", "class_mix")


class AugmentationConfig(Section):
    """The augmentation of training examples, in this order; see `fcn.data.augmentation`.

    A "share" is that of the examples that are changed: 0 for none, 1 for all.

    Attributes:
        crop_size: (height, width) of the crops to train on, in pixels; None for whole images, one at a time.
        scale: Smallest and largest random scale of a crop; whole images keep their size.
        flip: Whether examples are mirrored left to right at random, one in two.
        vertical_flip: Whether they are also mirrored upside down at random, one in two: for images without
            an up and down, such as those from above.
        quarter_turns: Whether they are turned by 0, 90, 180 or 270 degrees at random: for the same images.
        rotation: Largest angle of a random rotation of a crop, in degrees, 0 to 180.
        shear: Largest angle of a random shear of a crop, in degrees, 0 to 60.
        class_mix: Share into which half of the classes of another crop are pasted: "ClassMix" (Olsson et al.,
            WACV 2021).
        cutout: Share of which a random rectangle, of 2 to 20 percent, is void (DeVries & Taylor, 2017).
        color_jitter: Largest relative change of brightness, contrast and saturation.
        gray: Share that loses its colors.
        blur: Share that is blurred, by a Gaussian of 0.5 to 2 pixels.
        noise: Share that gets Gaussian noise, of 2 to 15 gray values.
        jpeg: Share that is compressed as a JPEG, of quality 30 to 90.
    """

    crop_size: Annotated[
        tuple[Count, Count] | None,
        Field(
            description="two whole numbers of at least 1, [height, width], or null", examples=["[384, 384]"]
        ),
    ] = (384, 384)
    scale: Annotated[tuple[Positive, Positive], Field(description=PAIR, examples=["[0.5, 2.0]"])] = (
        0.5,
        2.0,
    )
    flip: bool = True
    vertical_flip: bool = False
    quarter_turns: bool = False
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    shear: Annotated[float, Field(ge=0, le=60)] = 0.0
    class_mix: Share = 0.0
    cutout: Share = 0.0
    color_jitter: Fraction = 0.3
    gray: Share = 0.0
    blur: Share = 0.0
    noise: Share = 0.0
    jpeg: Share = 0.0

    @model_validator(mode="after")
    def _scale_in_order(self) -> "AugmentationConfig":
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"augmentation.scale={list(self.scale)}: expected the smaller scale first")
        return self

    @model_validator(mode="after")
    def _crops_are_there(self) -> "AugmentationConfig":
        for key in _NEED_CROPS:
            if self.crop_size is None and getattr(self, key):
                raise ValueError(
                    f"augmentation.{key}={getattr(self, key):g}: changes crops, but augmentation.crop_size "
                    "is null. Set a size, or leave it out"
                )
        return self
