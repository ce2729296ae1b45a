"""The 15 corruptions of photographs by which robustness is usually measured, at 5 strengths each.

Strengths are those of Hendrycks & Dietterich, "Benchmarking neural network robustness to common corruptions
and perturbations" (ICLR 2019), for images of about 224x224; Kamann & Rother, "Benchmarking the robustness of
semantic segmentation models" (CVPR 2020), measure nets for segmentation with most of them.
"""

from collections.abc import Mapping
from types import MappingProxyType

import cv2
import numpy as np

from fcn.classes import VOID
from fcn.data.image_io import Pixels
from fcn.evaluation.corruptions import blur, digital, noise, weather
from fcn.evaluation.corruptions.kind import STRENGTHS, Corruption

ELASTIC = "elastic_transform"

CORRUPTIONS: Mapping[str, Corruption | None] = MappingProxyType(
    {
        "gaussian_noise": noise.add_gaussian_noise,
        "shot_noise": noise.add_shot_noise,
        "impulse_noise": noise.add_impulse_noise,
        "defocus_blur": blur.blur_by_defocus,
        "glass_blur": blur.blur_by_glass,
        "motion_blur": blur.blur_by_motion,
        "zoom_blur": blur.blur_by_zoom,
        "snow": weather.add_snow,
        "frost": weather.add_frost,
        "fog": weather.add_fog,
        "brightness": weather.brighten,
        "contrast": digital.lower_contrast,
        ELASTIC: None,  # the label moves too
        "pixelate": digital.pixelate,
        "jpeg_compression": digital.compress_as_jpeg,
    }
)
"""Corruptions by the names that the benchmark gives them."""


def corrupt(
    image: Pixels, label: Pixels, name: str, strength: int, rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """Corrupts an image; its label changes only with the elastic transform, which moves pixels.

    Args:
        image: `uint8[H, W, 3]`, RGB.
        label: `uint8[H, W]`, class ids.
        name: One of `CORRUPTIONS`.
        strength: 1 to 5.
        rng: Random generator.

    Returns:
        The image and its label, of the same size. Pixels that come from outside of the image are void.

    Raises:
        ValueError: If there is no such corruption or strength.

    Example:
        >>> gray, label = np.full((8, 8, 3), 128, np.uint8), np.zeros((8, 8), np.uint8)
        >>> bright, _ = corrupt(gray, label, "brightness", 5, np.random.default_rng(0))
        >>> int(bright.min())
        255
    """
    if name not in CORRUPTIONS or strength not in STRENGTHS:
        raise ValueError(
            f"Expected one of {', '.join(CORRUPTIONS)}, and a strength of 1 to 5. "
            f"Received: {name}, {strength}."
        )
    change = CORRUPTIONS[name]
    if change is None:
        x, y = digital.draw_elastic(label.shape, strength, rng)
        moved = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        ids = cv2.remap(label, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=VOID)
        return moved.astype(np.uint8, copy=False), ids.astype(np.uint8, copy=False)
    changed = change(image.astype(np.float32) / np.float32(255), strength, rng)
    return np.rint(np.clip(changed, 0, 1) * 255).astype(np.uint8), label
