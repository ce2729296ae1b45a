"""Random changes of an image and its label together, so that they always fit."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from fcn.classes import VOID

# Pixels outside of the image: ImageNet's mean color, which most normalizations turn into about 0.
_BORDER_COLOR = (124, 116, 104)
# Luma of RGB (ITU-R BT.601), towards which less saturation moves.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Pixels = npt.NDArray[np.uint8]


class View(NamedTuple):
    """A part of an image, its scale, and whether it is mirrored.

    Attributes:
        scale: Pixels of the view per pixel of the image.
        flip: Whether left and right change places.
        top: Row of the scaled image where the view begins; negative: border above it.
        left: Column of the scaled image where the view begins; negative: border before it.
    """

    scale: float
    flip: bool
    top: float
    left: float


def random_view(
    image_size: tuple[int, int],
    crop_size: tuple[int, int],
    scale_range: tuple[float, float],
    flip: bool,
    rng: np.random.Generator,
) -> View:
    """Draws a view: a scale, a mirror, and a place.

    The scale is drawn so that its logarithm is uniform: halving is as likely as doubling. A scaled
    image smaller than the view lies anywhere inside of it.

    Args:
        image_size: (height, width) of the image, in pixels.
        crop_size: (height, width) of the view, in pixels.
        scale_range: Smallest and largest scale.
        flip: Whether every second view, on average, is mirrored.
        rng: Random generator.
    """
    scale = float(np.exp(rng.uniform(*np.log(scale_range))))
    mirrored = bool(rng.random() < 0.5) and flip
    spare = [round(scale * size) - crop for size, crop in zip(image_size, crop_size, strict=True)]
    top, left = (int(rng.integers(min(0, room), max(0, room), endpoint=True)) for room in spare)
    return View(scale, mirrored, top, left)


def apply_view(image: Pixels, label: Pixels, view: View, crop_size: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """Cuts a view out of an image and its label.

    The image is interpolated linearly, the label takes the nearest pixel: ids never blend. What lies
    outside of the image is void.

    Args:
        image: `uint8[H, W, 3]`, RGB.
        label: `uint8[H, W]`, class ids, 255 = void.
        view: The part to cut out.
        crop_size: (height, width) of the view, in pixels.

    Returns:
        `uint8[*crop_size, 3]` and `uint8[*crop_size]`.
    """
    shown = cv2.warpAffine(
        image,
        _to_image(view, image.shape[1]),
        crop_size[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderValue=_BORDER_COLOR,
    )
    return shown.astype(np.uint8, copy=False), cut_label(label, view, crop_size)


def cut_label(label: Pixels, view: View, crop_size: tuple[int, int]) -> Pixels:
    """Cuts a view out of a label, the same as `apply_view`.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.
        view: The part to cut out.
        crop_size: (height, width) of the view, in pixels.

    Returns:
        `uint8[*crop_size]`.
    """
    known = cv2.warpAffine(
        label,
        _to_image(view, label.shape[1]),
        crop_size[::-1],
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderValue=VOID,
    )
    return known.astype(np.uint8, copy=False)


def _to_image(view: View, width: int) -> npt.NDArray[np.float64]:
    """Returns the map from the center of a pixel of the view to the pixel of the image it shows.

    Args:
        view: The view.
        width: Width of the image, in pixels.

    Returns:
        `float64[2, 3]`, for (x, y, 1).
    """
    direction = -1.0 if view.flip else 1.0
    first_column = (view.left + 0.5) / view.scale - 0.5
    if view.flip:
        first_column = (width - 1) - first_column
    first_row = (view.top + 0.5) / view.scale - 0.5
    return np.array([[direction / view.scale, 0, first_column], [0, 1 / view.scale, first_row]])


def jitter_color(image: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Changes brightness, contrast and saturation, each by a random factor.

    Args:
        image: `uint8[H, W, 3]`, RGB.
        strength: Largest relative change, 0 to 1; factors are uniform in 1 - strength to 1 + strength.
        rng: Random generator.

    Returns:
        `uint8[H, W, 3]`, RGB.
    """
    brightness, contrast, saturation = rng.uniform(1 - strength, 1 + strength, 3)
    # Saturation mixes each channel with the luma; brightness and contrast scale and shift all alike.
    mix = saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * _LUMA
    middle = float(cv2.mean(image)[1])
    gain = brightness * contrast
    shift = brightness * (1 - contrast) * middle
    changed = cv2.transform(image, np.hstack([gain * mix, np.full((3, 1), shift)]))
    return changed.astype(np.uint8, copy=False)
