"""Random changes of the values of an image, as cameras and files make them; labels stay as they are."""

import cv2
import numpy as np

from fcn.config.augmentation import AugmentationConfig
from fcn.data.augmentation import Pixels

_SIGMAS, _DEVIATIONS, _QUALITIES = (0.5, 2.0), (2.0, 15.0), (30, 90)


def distort(image: Pixels, settings: AugmentationConfig, rng: np.random.Generator) -> Pixels:
    """Makes an image gray, blurs it, adds noise and compresses it, each for a share of the examples.

    Args:
        image: `uint8[H, W, 3]`, RGB, contiguous.
        settings: The shares.
        rng: Random generator, of which nothing is taken for what is not wanted.

    Returns:
        `uint8[H, W, 3]`, RGB.
    """
    if settings.gray and rng.random() < settings.gray:
        image = make_gray(image)
    if settings.blur and rng.random() < settings.blur:
        image = blur(image, float(rng.uniform(*_SIGMAS)))
    if settings.noise and rng.random() < settings.noise:
        image = add_noise(image, float(rng.uniform(*_DEVIATIONS)), rng)
    if settings.jpeg and rng.random() < settings.jpeg:
        image = compress(image, int(rng.integers(*_QUALITIES, endpoint=True)))
    return image


def make_gray(image: Pixels) -> Pixels:
    """Returns an image without colors: three equal channels with its luma (ITU-R BT.601)."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)


def blur(image: Pixels, sigma: float) -> Pixels:
    """Returns an image that is blurred by a Gaussian.

    Args:
        image: `uint8[H, W, 3]`, RGB.
        sigma: Standard deviation of the Gaussian, in pixels.
    """
    return cv2.GaussianBlur(image, (0, 0), sigma).astype(np.uint8, copy=False)


def add_noise(image: Pixels, deviation: float, rng: np.random.Generator) -> Pixels:
    """Returns an image with Gaussian noise in each channel.

    Args:
        image: `uint8[H, W, 3]`, RGB.
        deviation: Standard deviation of the noise, in gray values.
        rng: Random generator.
    """
    noisy = image + np.float32(deviation) * rng.standard_normal(image.shape, np.float32)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def compress(image: Pixels, quality: int) -> Pixels:
    """Returns an image as it is after it was stored as a JPEG.

    Args:
        image: `uint8[H, W, 3]`, RGB.
        quality: Quality of the JPEG, 1 to 100.
    """
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)
