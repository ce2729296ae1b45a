"""The losses again, in NumPy and float64 from the papers' formulas, for tests to compare with.

Labels are `int[B, H, W]`, logits `float[B, H, W, C]`; the gradient below runs on any Keras backend.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from fcn.classes import VOID

Array = npt.NDArray[Any]


def labeled(label: Array, logits: Array) -> tuple[Array, Array]:
    """Returns the class `int[N]` and the probabilities `float64[N, C]` of the labeled pixels."""
    known = label != VOID
    exponentials = np.exp(logits[known].astype(np.float64))
    return label[known], exponentials / exponentials.sum(axis=1, keepdims=True)


def cross_entropy(
    label: Array,
    logits: Array,
    weights: Array | None = None,
    smoothing: float = 0.0,
    chosen: Array | None = None,
    reduction: str = "mean",
) -> float:
    truth, probabilities = labeled(label, logits)
    num_classes = probabilities.shape[1]
    weights = np.ones(num_classes) if weights is None else np.asarray(weights)
    chosen = np.ones(len(truth), bool) if chosen is None else chosen
    total = norm = 0.0
    for own, row in zip(truth[chosen], probabilities[chosen], strict=True):
        target = np.full(num_classes, smoothing / num_classes)
        target[own] += 1 - smoothing
        total -= sum(weights * target * np.log(row))
        norm += weights[own]
    return float(total if reduction == "sum" else total / norm)


def ohem(label: Array, logits: Array, threshold: float, min_kept: float, **options: Any) -> float:
    truth, probabilities = labeled(label, logits)
    own = probabilities[np.arange(len(truth)), truth]
    chosen = own < threshold
    chosen[np.argsort(own)[: int(np.ceil(min_kept * len(own)))]] = True
    return cross_entropy(label, logits, chosen=chosen, **options)


def focal(label: Array, logits: Array, gamma: float, weights: Array | None = None) -> float:
    truth, probabilities = labeled(label, logits)
    own = probabilities[np.arange(len(truth)), truth]
    alpha = np.ones(len(own)) if weights is None else np.asarray(weights)[truth]
    return float(-(alpha * (1 - own) ** gamma * np.log(own)).sum() / alpha.sum())


def dice(label: Array, logits: Array) -> float:
    truth, probabilities = labeled(label, logits)
    losses = []
    for own in np.unique(truth):
        p, g = probabilities[:, own], (truth == own).astype(float)
        losses.append(1 - 2 * np.sum(p * g) / (np.sum(p**2) + np.sum(g**2)))
    return float(np.mean(losses))


def jaccard(wrong: Array, truth: Array) -> float:
    """Returns one minus the IoU of a class where the pixels `wrong`, `bool[N]`, are wrong."""
    return float(wrong.sum() / (wrong | truth).sum())


def lovasz(label: Array, logits: Array) -> float:
    """Integrates the Jaccard loss over the level sets of the errors, which is the Lovász extension."""
    truth, probabilities = labeled(label, logits)
    losses = []
    for own in np.unique(truth):
        errors = np.abs((truth == own) - probabilities[:, own])
        levels = np.concatenate([[0.0], np.sort(errors)])
        steps = pairwise(levels)
        losses.append(sum((high - low) * jaccard(errors > low, truth == own) for low, high in steps))
    return float(np.mean(losses))


def gradient(loss: Callable[[Any, Any], Any], label: Array, logits: Array) -> Array:
    """Returns the gradient of `loss(label, logits)` with respect to the logits."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return np.array(jax.grad(lambda scores: loss(label, scores))(jax.numpy.asarray(logits)))
    if backend == "torch":
        import torch

        scores = torch.tensor(logits, requires_grad=True)
        loss(label, scores).backward()
        return scores.grad.numpy()
    import tensorflow as tf

    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = loss(label, variable)
    return tape.gradient(value, variable).numpy()
