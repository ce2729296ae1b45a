"""Probabilities of classes: from scores, and as a file."""

from io import BytesIO

import numpy as np
import numpy.typing as npt

from fcn.classes import Classes

Floats = npt.NDArray[np.float32]

_BAND_SCORES = 1 << 24
"""Scores that are turned into probabilities at once, 64 MB: those of a large image take gigabytes."""


def softmax(logits: Floats) -> Floats:
    """Returns the probabilities of the classes.

    Args:
        logits: `float32[..., C]`.

    Returns:
        `float32[..., C]`; they sum to 1 over the last axis.

    Example:
        >>> softmax(np.array([0, 0], np.float32)).tolist()
        [0.5, 0.5]
    """
    # In one array: the maps of a large image take gigabytes.
    probabilities: Floats = logits - logits.max(axis=-1, keepdims=True)
    np.exp(probabilities, out=probabilities)
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    return probabilities


def label_confidence(logits: Floats) -> Floats:
    """Returns the probability of the most probable class, `float32[...]`.

    Args:
        logits: `float32[..., C]`; they are overwritten, since those of a large image take gigabytes.

    Example:
        >>> label_confidence(np.array([0, 0], np.float32)).item()
        0.5
    """
    logits -= logits.max(axis=-1, keepdims=True)
    confidence: Floats = 1 / np.exp(logits, out=logits).sum(axis=-1)
    return confidence


def mean_confidence(logits: Floats) -> float:
    """Returns the probability of the most probable class, on average over all pixels, 1/C to 1.

    Args:
        logits: `float32[H, W, C]`.

    Example:
        >>> mean_confidence(np.array([[[0, 0], [0, 0]]], np.float32))
        0.5
    """
    confidence = np.empty(logits.shape[:2], np.float32)
    for band in bands(logits):
        confidence[band] = label_confidence(logits[band].copy())
    return float(confidence.mean(dtype=np.float64))


def encode_probabilities(logits: Floats, classes: Classes) -> bytes:
    """Encodes probabilities as a compressed `.npz` file that `numpy.load` reads.

    Its arrays are `probabilities`, `float16[H, W, C]`, and `classes`, the C names. The error of half
    precision is at most 2^-12 (0.00024), and above 2^-14 at most 2^-11 of the value, so that small
    probabilities can still be compared; bytes would take half the space with an error of 0.002.

    Args:
        logits: `float32[H, W, C]`, the scores of which they are the softmax.
        classes: The names of the C classes.
    """
    buffer = BytesIO()
    halves = np.empty(logits.shape, np.float16)
    for band in bands(logits):
        halves[band] = softmax(logits[band])
    np.savez_compressed(buffer, probabilities=halves, classes=np.array(classes.names))
    return buffer.getvalue()


def bands(logits: Floats) -> list[slice]:
    """Returns bands of rows of `float32[H, W, C]` with at most `_BAND_SCORES` scores, or of one row."""
    rows = max(1, _BAND_SCORES // max(1, logits[:1].size))
    return [slice(first, first + rows) for first in range(0, len(logits), rows)]
