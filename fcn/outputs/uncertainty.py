"""How uncertain a net is about each pixel, as a gray image."""

import cv2
import numpy as np

from fcn.classes import count_ids
from fcn.data.image_io import Pixels
from fcn.outputs.probabilities import Floats, bands, label_confidence
from fcn.outputs.temperature import Temperatures

DOUBTFUL = 77
"""Uncertainty from which on a pixel is doubtful: the probability of its label is below 0.7. On Pascal VOC and
CamVid, about half of these pixels are wrong, and half of the wrong pixels are among them."""


def uncertainty_of(confidence: Floats) -> Pixels:
    """Returns 255 times the probability that the label of each pixel is wrong by the net, `uint8[H, W]`.

    Args:
        confidence: `float32[H, W]`, the probability of the label, 0 to 1.

    Example:
        >>> uncertainty_of(np.array([[1, 0.75, 0.25]], np.float32)).tolist()
        [[0, 64, 191]]
    """
    # In one pass, without a second array of floats: an image may have 100 megapixels.
    return cv2.convertScaleAbs(confidence, alpha=-255, beta=255).astype(np.uint8, copy=False)


def uncertainty_of_scores(logits: Floats, temperatures: Temperatures | None = None) -> Pixels:
    """Returns the same for scores, `float32[H, W, C]`, with the temperatures of a calibrated net."""
    uncertainty = np.empty(logits.shape[:2], np.uint8)
    for band in bands(logits):
        uncertainty[band] = uncertainty_of(label_confidence(logits[band].copy(), temperatures))
    return uncertainty


def doubtful_share(uncertainty: Pixels) -> float:
    """Returns the share of the pixels that are doubtful, 0 to 1.

    Args:
        uncertainty: As `uncertainty_of` returns it.

    Example:
        >>> doubtful_share(np.array([[0, 76, 77, 200]], np.uint8))
        0.5
    """
    return float(count_ids(uncertainty)[DOUBTFUL:].sum() / max(1, uncertainty.size))
