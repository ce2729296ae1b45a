"""Probabilities of classes: from scores, and as a file."""

from io import BytesIO

import numpy as np
import numpy.typing as npt

from fcn.classes import Classes
from fcn.outputs.temperature import Temperatures

Floats = npt.NDArray[np.float32]

_BAND_SCORES = 1 << 24
"""Scores that are turned into probabilities at once, 64 MB: those of a large image take gigabytes."""

_SMALLEST = np.finfo(np.float32).tiny


def softmax(logits: Floats, temperatures: Temperatures | None = None) -> Floats:
    """Returns the probabilities of the classes.

    Args:
        logits: `float32[..., C]`.
        temperatures: Those of a calibrated net.

    Returns:
        `float32[..., C]`; they sum to 1 over the last axis.

    Example:
        >>> softmax(np.array([0, 0], np.float32)).tolist()
        [0.5, 0.5]
    """
    # In one array: the maps of a large image take gigabytes.
    probabilities: Floats = logits - logits.max(axis=-1, keepdims=True)
    if temperatures is not None:
        temperatures.scale(probabilities)
    np.exp(probabilities, out=probabilities)
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    return probabilities


def label_confidence(logits: Floats, temperatures: Temperatures | None = None) -> Floats:
    """Returns the probability of the most probable class, `float32[...]`.

    Args:
        logits: `float32[..., C]`; they are overwritten, since those of a large image take gigabytes.
        temperatures: Those of a calibrated net.

    Example:
        >>> label_confidence(np.array([0, 0], np.float32)).item()
        0.5
    """
    logits -= logits.max(axis=-1, keepdims=True)
    if temperatures is not None:
        temperatures.scale(logits)
    confidence: Floats = 1 / np.exp(logits, out=logits).sum(axis=-1)
    return confidence


def mixed_confidence(probabilities: Floats, temperatures: Temperatures | None) -> Floats:
    """Returns the probability of the most probable class of averaged probabilities, `float32[...]`.

    Args:
        probabilities: `float32[..., C]`, averages of probabilities without temperatures.
        temperatures: Those of a calibrated net, which divide the logarithms of the averages.

    Example:
        >>> average = np.array([0.8, 0.2], np.float32)
        >>> round(mixed_confidence(average, Temperatures([0.5])).item(), 4)  # 0.8^2 / (0.8^2 + 0.2^2)
        0.9412
    """
    if temperatures is None:
        highest: Floats = probabilities.max(axis=-1)
        return highest
    pixels = probabilities.reshape(-1, probabilities.shape[-1])
    confidence = np.empty(len(pixels), np.float32)
    for band in bands(pixels):
        confidence[band] = label_confidence(log_probabilities(pixels[band].copy()), temperatures)
    return confidence.reshape(probabilities.shape[:-1])


def log_probabilities(probabilities: Floats) -> Floats:
    """Returns the logarithms of `float32[..., C]`, in the same array; of very small ones that of 1e-38."""
    np.maximum(probabilities, _SMALLEST, out=probabilities)
    return np.log(probabilities, out=probabilities)


def mean_confidence(logits: Floats, temperatures: Temperatures | None = None) -> float:
    """Returns the probability of the most probable class, on average over all pixels, 1/C to 1.

    Args:
        logits: `float32[H, W, C]`.
        temperatures: Those of a calibrated net.

    Example:
        >>> mean_confidence(np.array([[[0, 0], [0, 0]]], np.float32))
        0.5
    """
    confidence = np.empty(logits.shape[:2], np.float32)
    for band in bands(logits):
        confidence[band] = label_confidence(logits[band].copy(), temperatures)
    return float(confidence.mean(dtype=np.float64))


def encode_probabilities(logits: Floats, classes: Classes, temperatures: Temperatures | None = None) -> bytes:
    """Encodes probabilities as a compressed `.npz` file that `numpy.load` reads.

    Its arrays are `probabilities`, `float16[H, W, C]`, and `classes`, the C names. The error of half
    precision is at most 2^-12 (0.00024), and above 2^-14 at most 2^-11 of the value, so that small
    probabilities can still be compared; bytes would take half the space with an error of 0.002.

    Args:
        logits: `float32[H, W, C]`, the scores of which they are the softmax.
        classes: The names of the C classes.
        temperatures: Those of a calibrated net.
    """
    buffer = BytesIO()
    halves = np.empty(logits.shape, np.float16)
    for band in bands(logits):
        halves[band] = softmax(logits[band], temperatures)
    np.savez_compressed(buffer, probabilities=halves, classes=np.array(classes.names))
    return buffer.getvalue()


def bands(logits: Floats) -> list[slice]:
    """Returns bands of rows of `float32[H, ..., C]` with at most `_BAND_SCORES` scores, or of one row."""
    rows = max(1, _BAND_SCORES // max(1, logits[:1].size))
    return [slice(first, first + rows) for first in range(0, len(logits), rows)]
