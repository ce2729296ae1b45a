"""Contrast, pixels and files."""

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image

from fcn.evaluation.corruptions.kind import Image


def lower_contrast(image: Image, strength: int, _: np.random.Generator) -> Image:
    """Brings all values nearer to the mean of their channel."""
    share = (0.4, 0.3, 0.2, 0.1, 0.05)[strength - 1]
    means = image.mean(axis=(0, 1), keepdims=True)
    flat: Image = (image - means) * np.float32(share) + means
    return flat.astype(np.float32, copy=False)


def pixelate(image: Image, strength: int, _: np.random.Generator) -> Image:
    """Makes the image smaller, and its pixels larger."""
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[strength - 1]
    height, width = image.shape[:2]
    small = max(1, int(width * share)), max(1, int(height * share))
    # As the benchmark does it: OpenCV's filters weigh pixels on the edge of two boxes in another way.
    boxes = PIL.Image.fromarray(np.rint(image * 255).astype(np.uint8)).resize(small, PIL.Image.Resampling.BOX)
    coarse = np.asarray(boxes.resize((width, height), PIL.Image.Resampling.NEAREST), np.float32)
    return coarse / np.float32(255)


def compress_as_jpeg(image: Image, strength: int, _: np.random.Generator) -> Image:
    """Stores the image as a JPEG of low quality."""
    quality = (25, 18, 15, 10, 7)[strength - 1]
    pixels = np.rint(image[..., ::-1] * 255).astype(np.uint8)
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    values: Image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.float32)
    return values / np.float32(255)


def draw_elastic(
    size: tuple[int, int], strength: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Draws an elastic transform: a random affine one, and random shifts that are smooth.

    Source: Simard, Steinkraus & Platt, "Best practices for convolutional neural networks" (ICDAR 2003).

    Args:
        size: H and W of the image.
        strength: 1 to 5.
        rng: Random generator.

    Returns:
        For each pixel, where its value comes from: x `float32[H, W]` and y `float32[H, W]`.
    """
    far, smooth, corner = (
        (2, 0.7, 0.1),
        (2, 0.08, 0.2),
        (0.05, 0.01, 0.02),
        (0.07, 0.01, 0.02),
        (0.12, 0.01, 0.02),
    )[strength - 1]
    height, width = size
    side = min(size)
    center, third = np.array([width, height], np.float32) / 2, side // 3
    corners = center + np.array([[third, third], [third, -third], [-third, -third]], np.float32)
    moved = corners + rng.uniform(-corner * side, corner * side, corners.shape).astype(np.float32)
    affine = cv2.invertAffineTransform(cv2.getAffineTransform(corners, moved)).astype(np.float32)
    shifts = [
        far * side * cv2.GaussianBlur(rng.uniform(-1, 1, size).astype(np.float32), (0, 0), smooth * side)
        for _ in range(2)
    ]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = columns + shifts[0], rows + shifts[1]
    return (
        affine[0, 0] * x + affine[0, 1] * y + affine[0, 2],
        affine[1, 0] * x + affine[1, 1] * y + affine[1, 2],
    )
