"""Averages over several views of an image: at several scales, as it is and mirrored."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import cv2
import numpy as np

from fcn.data.image_io import Pixels
from fcn.inference.engines.engine import Engine, Floats, Labeled, check_scores, temperatures_of
from fcn.outputs.probabilities import log_probabilities, mixed_confidence, softmax

MAX_SCALE = 4.0
"""Largest scale; it takes 16 times the time and memory of the image itself."""


class Views(NamedTuple):
    """The views of an image that are labeled and averaged.

    Attributes:
        flip: Whether each scale is also mirrored left to right.
        scales: Sizes relative to the image's own.
    """

    flip: bool
    scales: tuple[float, ...]

    @property
    def are_plain(self) -> bool:
        """Whether there is one view, the image as it is."""
        return self == PLAIN

    def describe(self) -> str:
        """Returns the views in words.

        Example:
            >>> Views(flip=True, scales=(0.5, 1.0)).describe()
            'scales 0.5, 1, also mirrored'
        """
        words = f"scales {', '.join(f'{scale:g}' for scale in self.scales)}"
        return f"{words}, also mirrored" if self.flip else words


PLAIN = Views(flip=False, scales=(1.0,))
"""Each image once, as it is."""


def check_scales(scales: Iterable[float]) -> tuple[float, ...]:
    """Checks scales and returns them as floats.

    Raises:
        ValueError: If there are none, one occurs twice, or one is not above 0 and at most `MAX_SCALE`.

    Example:
        >>> check_scales([0.5, 1])
        (0.5, 1.0)
    """
    checked = tuple(float(scale) for scale in scales)
    if not checked or len(set(checked)) < len(checked) or not all(0 < s <= MAX_SCALE for s in checked):
        raise ValueError(
            f"Expected `scales` above 0 and at most {MAX_SCALE:g}, each of them once. "
            f"Received: {', '.join(f'{scale:g}' for scale in checked) or 'none'}."
        )
    return checked


class MultiScaleEngine:
    """An engine that averages the probabilities of another engine over several views of an image.

    The probabilities of each scale are brought to the image's own size, linearly between the centers of
    pixels, and the most probable class is that of their mean over all views. mmsegmentation and DeepLab
    average probabilities too, but interpolate logits and take the softmax after that; here a view and its
    mirror image are added first, which halves the interpolation.

    Images are shrunk by averaging over areas, which avoids aliasing, and enlarged linearly, as in training
    (cubic interpolation would add edges that are not in the image).

    Memory: the sum, `float32[B, H, W, C]`, and the maps of one scale, for any number of scales.

    Args:
        engine: The engine that labels each view.
        views: The views.
        score_bytes: Memory limit for the sum; None for no limit.

    Attributes:
        classes: The names and colors of the classes.
        name: Name of the inner engine.
        precision: Precision of the inner engine.
        bits: Bits of the inner engine.
        temperatures: Those of a calibrated net, for the confidence of the average alone; None of others.

    Raises:
        ValueError: If a scale is invalid.
    """

    def __init__(self, engine: Engine, views: Views, score_bytes: int | None = None) -> None:
        self.classes, self.name, self.precision = engine.classes, engine.name, engine.precision
        self.bits, self.temperatures = engine.bits, temperatures_of(engine)
        self._engine, self._score_bytes = engine, score_bytes
        self._views = Views(views.flip, check_scales(views.scales))

    def label(self, images: Pixels) -> Labeled:
        """Labels images `uint8[B, H, W, 3]`, RGB; the confidence is that of the mean probabilities."""
        probabilities = self._average_views(images)
        label = probabilities.argmax(axis=-1).astype(np.uint8)
        # By rounding, an interpolated mean of ones may be slightly above one.
        return Labeled(label, np.minimum(mixed_confidence(probabilities, self.temperatures), 1))

    def logits(self, images: Pixels) -> Floats:
        """Returns `float32[B, H, W, C]`, the logarithm of the mean probabilities."""
        return log_probabilities(self._average_views(images))

    def _average_views(self, images: Pixels) -> Floats:
        if self._score_bytes is not None:
            check_scores(images, len(self.classes.names), self._score_bytes, self._count_copies())
        total = np.zeros((*images.shape[:3], len(self.classes.names)), np.float32)
        for scale in self._views.scales:
            scaled = _rescale(images, scale)
            probabilities = softmax(self._engine.logits(scaled))
            if self._views.flip:
                mirrored = np.ascontiguousarray(scaled[:, :, ::-1])
                probabilities += softmax(self._engine.logits(mirrored))[:, :, ::-1]
            for one, sum_of_one in zip(probabilities, total, strict=True):
                sum_of_one += _resize(one, sum_of_one.shape[:2], cv2.INTER_LINEAR)
        total /= len(self._views.scales) * (2 if self._views.flip else 1)
        return total

    def _count_copies(self) -> float:
        """Returns the most memory in use as a multiple of the sum: the sum and the maps of the largest scale.

        These are logits and softmax, with mirrored views also the probabilities of the view itself; or the
        probabilities and their resized copy.
        """
        computed = 3 if self._views.flip else 2
        return 1 + max(max(computed * scale**2, scale**2 + (scale != 1)) for scale in self._views.scales)


def multi_scale_engine(engine: Engine, views: Views, score_bytes: int | None = None) -> Engine:
    """Returns an engine that averages over views; with one plain view, the given engine.

    Args:
        engine: The engine that labels each view.
        views: The views.
        score_bytes: Memory limit for the sum of the views; None for no limit.

    Raises:
        ValueError: If a scale is invalid.
    """
    averaging = MultiScaleEngine(engine, views, score_bytes)
    return engine if views.are_plain else averaging


def _rescale(images: Pixels, scale: float) -> Pixels:
    size = tuple(max(1, math.floor(pixels * scale + 0.5)) for pixels in images.shape[1:3])
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.stack([_resize(image, size, interpolation) for image in images]).astype(np.uint8, copy=False)


def _resize(map_or_image: Any, size: tuple[int, ...], interpolation: int) -> Any:
    """Resizes `[H, W, channels]` to `size`, (height, width)."""
    if map_or_image.shape[:2] == size:
        return map_or_image
    resized = cv2.resize(map_or_image, size[::-1], interpolation=interpolation)
    return resized.reshape(*size, map_or_image.shape[2])  # OpenCV drops a single channel
