"""Averages the probabilities of a video over time, so that labels do not flicker.

Source: Miksik, Munoz, Bagnell and Hebert, "Efficient Temporal Consistency for Streaming Video Scene Analysis"
(ICRA 2013): the labels of the frame before are moved along the optical flow and averaged with those of the
present one, weighted by how well the two pixels match. They learn what matches; here it follows from the
difference of the colors.
"""

from typing import Any

import cv2
import numpy as np

from fcn.data.image_io import Pixels
from fcn.outputs.probabilities import Floats

# A difference of colors, of 255, at which a pixel of the frame before counts by 1/e: several times the noise
# of a camera or a codec, and less than most objects differ from what they uncover.
_TOLERANCE = 16.0
# Side of the square of pixels over which differences are averaged, so that noise of single pixels is none.
_PATCH = 5
# Dense inverse search needs larger images.
_LEAST_SIDE = 16
# OpenCV moves so many at once.
_CHANNELS = 4


class Smoother:
    """Averages probabilities over the frames of a video so far, along the motion of what they show.

    The average at a pixel is `(1 - w) * p + w * before`: `p` its probabilities in this frame, `before` the
    average of the frame before at the place where the pixel was then, and `w` the weight, times a trust in
    that place from 0 to 1. Without motion the last n frames have the weights `w**n`, so they count for
    `1 / (1 - w)` frames. Where the colors do not match, after a cut or beside what moves, the frame counts
    alone. The optical flow is that of dense inverse search (Kroeger et al., ECCV 2016).

    Args:
        weight: Weight of the average so far, 0 to less than 1.

    Raises:
        ValueError: If it is out of this range.
    """

    def __init__(self, weight: float) -> None:
        if not 0 <= weight < 1:
            raise ValueError(f"Expected a `weight` of at least 0 and below 1. Received: {weight}.")
        self._weight = weight
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._before: tuple[Pixels, Floats] | None = None

    def smooth(self, frame: Pixels, probabilities: Floats) -> Floats:
        """Returns the average of the probabilities of this frame and those before.

        Args:
            frame: The frame, `uint8[H, W, 3]`, RGB; all of one size.
            probabilities: Its probabilities, `float32[H, W, C]`; they are overwritten.

        Returns:
            `float32[H, W, C]`; do not change them.
        """
        if self._before is not None:
            earlier, average = self._before
            places = self._find_places(frame, earlier)
            weights = self._weight * _trust(frame, _move(earlier, places), places)[..., np.newaxis]
            for channel in range(0, probabilities.shape[2], _CHANNELS):
                some = np.s_[..., channel : channel + _CHANNELS]
                moved = _move(average[some], places)
                moved -= probabilities[some]
                moved *= weights
                probabilities[some] += moved
        self._before = frame, probabilities
        return probabilities

    def _find_places(self, frame: Pixels, earlier: Pixels) -> Floats:
        """Returns where each pixel was in the earlier frame, as x and y, `float32[H, W, 2]`."""
        height, width = frame.shape[:2]
        columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        places: Floats = np.stack([columns, rows], axis=-1)
        if min(height, width) >= _LEAST_SIDE:
            now, before = (cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) for pixels in (frame, earlier))
            flow: Any = None  # where it is to be written; None for a new array
            places += self._flow.calc(now, before, flow)
        return places


def _move(pixels: "Pixels | Floats", places: Floats) -> Floats:
    """Returns `pixels[H, W, C]`, C up to 4, at places between them, as `float32[H, W, C]`."""
    values = np.ascontiguousarray(pixels, np.float32)
    rows: Any = None  # both coordinates are in `places`
    moved: Floats = cv2.remap(values, places, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(
        np.float32, copy=False
    )
    return moved.reshape(values.shape)  # it drops a single channel


def _trust(frame: Pixels, moved: Floats, places: Floats) -> Floats:
    """Returns how well pixels match those that they are said to come from, `float32[H, W]`, 0 to 1."""
    height, width = frame.shape[:2]
    difference = np.abs(frame.astype(np.float32) - moved).mean(axis=-1)
    difference = cv2.blur(difference, (_PATCH, _PATCH))
    trust = np.exp(-np.square(difference / _TOLERANCE))
    x, y = places[..., 0], places[..., 1]
    inside = (x >= -0.5) & (y >= -0.5) & (x <= width - 0.5) & (y <= height - 0.5)
    trusted: Floats = (trust * inside).astype(np.float32)
    return trusted
