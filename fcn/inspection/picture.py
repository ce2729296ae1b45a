"""The effective receptive field of a net, drawn over an image."""

import cv2
import numpy as np
import numpy.typing as npt

from fcn.data.image_io import Pixels
from fcn.inspection.effective import EffectiveField
from fcn.inspection.facts import ReceptiveField

THEORETICAL_COLOR, EFFECTIVE_COLOR = (255, 255, 255), (80, 220, 255)
"""RGB of the frames around the theoretical field of an element, and around 95% of its gradient."""

_COLORS = cv2.COLORMAP_INFERNO
_LONGER_SIDE = 640
# The image is gray and dark, so that its own colors are not mistaken for a gradient.
_DIMMED = 0.5
# Relative to the longer side: single pixels of a gradient are too small to see.
_BLUR = 1 / 160


def field_picture(
    image: Pixels, effective: EffectiveField, theoretical: tuple[ReceptiveField, ...] | None
) -> Pixels:
    """Draws the gradient of each pixel over an image, and frames around both fields.

    Bright pixels have a large gradient; colors grow with its square root, so that the edges show.

    Args:
        image: `uint8[H, W, 3]`, RGB.
        effective: The effective field of one element, for an image of that size.
        theoretical: The field of the elements of the same map, for rows and columns; None if unknown.

    Returns:
        `uint8[h, w, 3]`, RGB, at most 640 pixels per side.
    """
    scale = min(1.0, _LONGER_SIDE / max(image.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    picture = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    gray = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) * _DIMMED
    shares = cv2.resize(effective.shares, (width, height), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(shares, (0, 0), max(0.5, max(height, width) * _BLUR))
    strength = np.sqrt(blurred / blurred.max())
    colors = cv2.applyColorMap(np.round(255 * strength).astype(np.uint8), _COLORS)[..., ::-1]
    # Pixels without a gradient show the image, those with a large one the color.
    mixed = gray + strength[..., np.newaxis] * (colors - gray)
    drawn = np.ascontiguousarray(mixed.astype(np.uint8))
    if theoretical is not None:
        firsts = [_first(field, place) for field, place in zip(theoretical, effective.element, strict=True)]
        lasts = [first + field.size for first, field in zip(firsts, theoretical, strict=True)]
        _frame(drawn, firsts, lasts, scale, THEORETICAL_COLOR)
    reach = effective.most // 2
    _frame(
        drawn,
        [place - reach for place in effective.center],
        [place + reach + 1 for place in effective.center],
        scale,
        EFFECTIVE_COLOR,
    )
    return drawn


def _first(field: ReceptiveField, element: int) -> float:
    """Returns the first pixel of an element's field, which is centered on the element."""
    return float(field.center + element * field.stride) - (field.size - 1) / 2


def _frame(
    picture: npt.NDArray[np.uint8],
    firsts: list[float] | list[int],
    lasts: list[float] | list[int],
    scale: float,
    color: tuple[int, int, int],
) -> None:
    """Draws a frame; sides outside the picture are drawn along its border.

    Args:
        picture: `uint8[h, w, 3]`, changed in place.
        firsts: (top, left), in pixels of the image.
        lasts: (bottom, right), the first pixels after it.
        scale: Pixels of the picture for each of the image.
        color: RGB.
    """
    top, left = (
        min(max(0, round(x * scale)), side - 1) for x, side in zip(firsts, picture.shape, strict=False)
    )
    bottom, right = (
        min(max(0, round(x * scale) - 1), side - 1) for x, side in zip(lasts, picture.shape, strict=False)
    )
    cv2.rectangle(picture, (left, top), (right, bottom), color, 1)
