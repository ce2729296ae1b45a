"""Noise of sensors and of broken ones."""

import numpy as np

from fcn.evaluation.corruptions.kind import Image


def add_gaussian_noise(image: Image, strength: int, rng: np.random.Generator) -> Image:
    """Adds normal noise to each channel, as sensors have it in low light."""
    deviation = (0.08, 0.12, 0.18, 0.26, 0.38)[strength - 1]
    return image + np.float32(deviation) * rng.standard_normal(image.shape, np.float32)


def add_shot_noise(image: Image, strength: int, rng: np.random.Generator) -> Image:
    """Draws each value from a Poisson distribution, as few photons make it."""
    photons = (60, 25, 12, 5, 3)[strength - 1]
    return (rng.poisson(image * photons) / np.float32(photons)).astype(np.float32)


def add_impulse_noise(image: Image, strength: int, rng: np.random.Generator) -> Image:
    """Sets a share of the values to the lowest or to the highest, as broken pixels do."""
    share = (0.03, 0.06, 0.09, 0.17, 0.27)[strength - 1]
    drawn = rng.random(image.shape, np.float32)
    return np.where(drawn < share / 2, 0, np.where(drawn < share, 1, image)).astype(np.float32)
