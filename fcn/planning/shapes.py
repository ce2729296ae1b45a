"""The crops and input scales that a plan chooses from, the most work first."""

import math
from typing import NamedTuple

from fcn.planning.fingerprint import Size

MOST_SIDE = 512
"""Longest side of a crop as the net sees it, in pixels. More is little use to nets that see about 400 pixels
around each (VGG16's convolutions with a 7x7 fc6 on top: 404), and costs time."""
LEAST_SIDE = 96
"""Shortest such side that time is saved by: three cells of fc6."""
_SMALLEST_SIDE = 32
_SCALES = (1.0, 0.75, 0.5, 0.375, 0.25)
_PARTS = (1.0, 0.75, 0.5)
_FURTHER_PARTS = (0.5, 0.375, 0.25, 0.125, 0.0625)


class Shape(NamedTuple):
    """The size of a training's examples.

    Attributes:
        input_scale: `model.input_scale`.
        crop_size: `augmentation.crop_size`, (height, width) in pixels of the image.
        is_reserve: Whether it is only for too little memory, not for too little time.
    """

    input_scale: float
    crop_size: Size
    is_reserve: bool = False

    @property
    def net_pixels(self) -> float:
        """Pixels of a crop that the layers see; time and memory of a step grow with them."""
        return self.input_scale**2 * self.crop_size[0] * self.crop_size[1]

    @property
    def net_side(self) -> float:
        """The shorter side of a crop as the layers see it, in pixels."""
        return self.input_scale * min(self.crop_size)

    def describe(self) -> str:
        """Returns text such as "320x320 at input_scale 0.5"."""
        height, width = self.crop_size
        return f"{height}x{width} at input_scale {self.input_scale:g}"


def choose_shapes(median: Size) -> list[Shape]:
    """Returns shapes for images of a size, those with the most pixels for the net first.

    The first is the whole median image, as nnU-Net's first patch is; but at a scale at which its longer side
    is at most `MOST_SIDE`, or else at the smallest scale.

    Args:
        median: Median (height, width) of the images.

    Example:
        >>> [shape.describe() for shape in choose_shapes((375, 500))[:3]]
        ['384x512 at input_scale 1', '288x384 at input_scale 1', '384x512 at input_scale 0.75']
    """
    fitting = [scale for scale in _SCALES if scale * max(median) <= MOST_SIDE] or [_SCALES[-1]]
    every = [Shape(scale, _crop(median, scale, part)) for scale in fitting for part in _PARTS]
    found = [shape for shape in every if shape.net_side >= LEAST_SIDE] or every[:1]
    least = min(found, key=lambda shape: (shape.net_pixels, -shape.input_scale))
    scale = least.input_scale
    further = (Shape(scale, _crop(median, scale, part), is_reserve=True) for part in _FURTHER_PARTS)
    reserve = [shape for shape in further if shape.net_side >= _SMALLEST_SIDE]
    # Of two with as many pixels, the one that loses less detail comes first.
    order = sorted({*found}, key=lambda shape: (-shape.net_pixels, -shape.input_scale))
    return [*order, *(shape for shape in reserve if shape.net_pixels < least.net_pixels)]


def _crop(median: Size, scale: float, part: float) -> Size:
    """Returns a part of the median image in multiples of 32, the coarsest stride."""
    height, width = (
        max(32, 32 * math.floor(part * min(side, MOST_SIDE / scale) / 32 + 0.5)) for side in median
    )
    return height, width
