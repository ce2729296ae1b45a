"""Random changes of an image and its label together, so that they always fit."""

import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from fcn.classes import VOID
from fcn.config.augmentation import AugmentationConfig

BORDER_COLOR = (124, 116, 104)
"""Color of pixels outside of the image: ImageNet's mean, which most normalizations turn into about 0."""

# Luma of RGB (ITU-R BT.601), towards which less saturation moves.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Pixels = npt.NDArray[np.uint8]


class View(NamedTuple):
    """A part of an image, its scale, and how it is mirrored, turned and sheared.

    The image is turned first, then mirrored, then scaled and cut; the cut is rotated and sheared about its
    own center.

    Attributes:
        scale: Pixels of the view per pixel of the image.
        flip: Whether left and right change places.
        top: Row of the scaled image where the view begins; negative: border above it.
        left: Column of the scaled image where the view begins; negative: border before it.
        turns: Quarter turns against the clock.
        vertical_flip: Whether top and bottom change places.
        rotation: Angle of rotation with the clock, in degrees.
        shear: Angle by which rows are shifted against each other, in degrees.
    """

    scale: float
    flip: bool
    top: float
    left: float
    turns: int = 0
    vertical_flip: bool = False
    rotation: float = 0.0
    shear: float = 0.0


def random_view(
    image_size: tuple[int, int],
    crop_size: tuple[int, int],
    settings: AugmentationConfig,
    rng: np.random.Generator,
) -> View:
    """Draws a view: a scale, a mirror, a turn, and a place.

    The scale is drawn so that its logarithm is uniform: halving is as likely as doubling. A scaled
    image smaller than the view lies anywhere inside of it.

    Args:
        image_size: (height, width) of the image, in pixels.
        crop_size: (height, width) of the view, in pixels.
        settings: The ranges to draw from.
        rng: Random generator, of which nothing is taken for what is not wanted.
    """
    scale = float(np.exp(rng.uniform(*np.log(settings.scale))))
    mirrored = bool(rng.random() < 0.5) and settings.flip
    upside_down, turns = draw_turn(settings, rng)
    rotation, shear = (
        float(rng.uniform(-most, most)) if most else 0.0 for most in (settings.rotation, settings.shear)
    )
    if turns % 2:
        image_size = image_size[::-1]
    spare = [round(scale * size) - crop for size, crop in zip(image_size, crop_size, strict=True)]
    top, left = (int(rng.integers(min(0, room), max(0, room), endpoint=True)) for room in spare)
    return View(scale, mirrored, top, left, turns, upside_down, rotation, shear)


def draw_turn(settings: AugmentationConfig, rng: np.random.Generator) -> tuple[bool, int]:
    """Draws whether top and bottom change places, and a number of quarter turns against the clock.

    Args:
        settings: Which of both are wanted.
        rng: Random generator, of which nothing is taken for what is not wanted.
    """
    upside_down = settings.vertical_flip and bool(rng.random() < 0.5)
    return upside_down, int(rng.integers(4)) if settings.quarter_turns else 0


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
        _to_image(view, image.shape[:2], crop_size),
        crop_size[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderValue=BORDER_COLOR,
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
        _to_image(view, label.shape, crop_size),
        crop_size[::-1],
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderValue=VOID,
    )
    return known.astype(np.uint8, copy=False)


def _to_image(view: View, image_size: tuple[int, ...], crop_size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Returns the map from the center of a pixel of the view to the pixel of the image it shows.

    Args:
        view: The view.
        image_size: (height, width) of the image, in pixels.
        crop_size: (height, width) of the view, in pixels.

    Returns:
        `float64[2, 3]`, for (x, y, 1).
    """
    width = image_size[1] if view.turns % 2 == 0 else image_size[0]
    direction = -1.0 if view.flip else 1.0
    first_column = (view.left + 0.5) / view.scale - 0.5
    if view.flip:
        first_column = (width - 1) - first_column
    first_row = (view.top + 0.5) / view.scale - 0.5
    cut = np.array([[direction / view.scale, 0, first_column], [0, 1 / view.scale, first_row]])
    if view[4:] == View(1, False, 0, 0)[4:]:
        return cut
    matrix = _turned_back(view, image_size) @ _whole(cut) @ _about_center(view, crop_size)
    return np.asarray(matrix[:2], np.float64)


def _whole(affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.vstack([affine, [0.0, 0.0, 1.0]])


def _turned_back(view: View, image_size: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Returns the map from a pixel of the turned, and then upside down, image to that of the image."""
    height, width = image_size
    last_row, last_column = height - 1.0, width - 1.0
    turned = {
        0: [[1, 0, 0], [0, 1, 0]],
        1: [[0, -1, last_column], [1, 0, 0]],
        2: [[-1, 0, last_column], [0, -1, last_row]],
        3: [[0, 1, 0], [-1, 0, last_row]],
    }[view.turns % 4]
    rows = last_row if view.turns % 2 == 0 else last_column
    upside_down = [[1, 0, 0], [0, -1, rows]] if view.vertical_flip else [[1, 0, 0], [0, 1, 0]]
    return np.asarray(_whole(np.array(turned)) @ _whole(np.array(upside_down)), np.float64)


def _about_center(view: View, crop_size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Returns the map of the pixels of a view that undoes its rotation and shear."""
    center = np.eye(3)
    center[:2, 2] = (crop_size[1] - 1) / 2, (crop_size[0] - 1) / 2
    angle, slope = math.radians(view.rotation), math.tan(math.radians(view.shear))
    cosine, sine = math.cos(angle), math.sin(angle)
    rotated = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    sheared = np.array([[1, slope, 0], [0, 1, 0], [0, 0, 1]])
    return np.asarray(center @ sheared @ rotated @ np.linalg.inv(center), np.float64)


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
