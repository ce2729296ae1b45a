"""Blur of lenses, glass and motion."""

import math

import cv2
import numpy as np

from fcn.evaluation.corruptions.kind import Image


def blur_by_defocus(image: Image, strength: int, _: np.random.Generator) -> Image:
    """Blurs with a disk with soft edges, as a lens that is out of focus does."""
    radius, edge = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))[strength - 1]
    reach = max(8, radius)
    grid = np.arange(-reach, reach + 1)
    disk = (grid[:, None] ** 2 + grid**2 <= radius**2).astype(np.float32)
    side = 3 if radius <= 8 else 5
    kernel = cv2.GaussianBlur(disk / disk.sum(), (side, side), edge)
    return cv2.filter2D(image, -1, kernel).astype(np.float32, copy=False)


def blur_by_glass(image: Image, strength: int, rng: np.random.Generator) -> Image:
    """Swaps pixels with near ones between two Gaussian blurs, as frosted glass mixes them."""
    sigma, reach, times = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))[strength - 1]
    mixed = cv2.GaussianBlur(image, (0, 0), sigma)
    height, width = mixed.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width]
    for _ in range(times):
        shifts = rng.integers(-reach, reach, (2, height, width))
        # Of swaps one after the other no value would be lost; here it may be taken twice, which looks alike.
        mixed = mixed[(rows + shifts[0]).clip(0, height - 1), (columns + shifts[1]).clip(0, width - 1)]
    return cv2.GaussianBlur(mixed, (0, 0), sigma).astype(np.float32, copy=False)


def blur_by_motion(image: Image, strength: int, rng: np.random.Generator) -> Image:
    """Blurs along a line at an angle of at most 45 degrees, as a camera that moves does."""
    radius, sigma = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[strength - 1]
    return along_line(image, radius, sigma, float(rng.uniform(-45, 45)))


def along_line(image: Image, radius: int, sigma: float, degrees: float) -> Image:
    """Blurs along a line to one side, with weights that fall as a Gaussian.

    Args:
        image: `float32[H, W]` or `float32[H, W, 3]`.
        radius: The longest way of a pixel is twice that long, in pixels.
        sigma: Standard deviation of the Gaussian, in pixels.
        degrees: Angle of the line, from the right downwards.
    """
    length = 2 * radius + 1
    kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
    for way in range(length):
        x, y = way * math.cos(math.radians(degrees)), way * math.sin(math.radians(degrees))
        kernel[length + round(y), length + round(x)] += math.exp(-0.5 * (way / sigma) ** 2)
    blurred = cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    return blurred.astype(np.float32, copy=False)


def blur_by_zoom(image: Image, strength: int, _: np.random.Generator) -> Image:
    """Averages the image at growing sizes, as a camera that moves towards the scene does."""
    most, step = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))[strength - 1]
    factors = np.arange(1, most, step)
    total = image.copy()
    for factor in factors:
        total += enlarge(image, float(factor))
    return total / np.float32(len(factors) + 1)


def enlarge(image: Image, factor: float) -> Image:
    """Returns the middle of an image, enlarged to its size.

    Args:
        image: `float32[H, W]` or `float32[H, W, 3]`.
        factor: 1 or more.
    """
    height, width = image.shape[:2]
    middle = (width - 1) / 2, (height - 1) / 2
    matrix = np.array([[1, 0, middle[0] * (factor - 1)], [0, 1, middle[1] * (factor - 1)]]) / factor
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    larger = cv2.warpAffine(image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return larger.astype(np.float32, copy=False)
