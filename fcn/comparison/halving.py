"""Successive halving: all nets are trained for some steps, the better half for twice as many, and so on.

After K. Jamieson and A. Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization",
AISTATS 2016. The half of an odd number is rounded up, so that all steps together are never fewer than theirs.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple


class Rung(NamedTuple):
    """One round of training, and the nets that it kept.

    Attributes:
        steps: Steps of each net in it, from the start of its training.
        scores: Highest mean IoU on the validation split within these steps, by name, in the order of the
            table.
        kept: Names of the nets of the next rung; of the last rung, the best.
    """

    steps: int
    scores: Mapping[str, float]
    kept: tuple[str, ...]


def rung_steps(count: int, steps: int) -> tuple[int, ...]:
    """Returns the steps of each rung: twice as many in each, and all of them for the last net.

    Args:
        count: Number of nets, at least 1.
        steps: Steps of a whole training.

    Example:
        >>> rung_steps(2, 500), rung_steps(4, 500), rung_steps(5, 500)
        ((250, 500), (125, 250, 500), (63, 125, 250, 500))
    """
    halvings = (count - 1).bit_length()
    return tuple(math.ceil(steps / 2 ** (halvings - rung)) for rung in range(halvings + 1))


def better_half(scores: Mapping[str, float]) -> tuple[str, ...]:
    """Returns the names of the better half, rounded up, in their order; of equal scores the first is better.

    A score that is NaN is the worst.

    Example:
        >>> better_half({"a": 0.5, "b": 0.7, "c": 0.5}), better_half({"a": 0.5})
        (('a', 'b'), ('a',))
    """
    ranked = sorted(scores, key=lambda name: math.inf if math.isnan(scores[name]) else -scores[name])
    kept = set(ranked[: math.ceil(len(scores) / 2)])
    return tuple(name for name in scores if name in kept)


def rung_sizes(count: int) -> tuple[int, ...]:
    """Returns how many nets are in each rung.

    Example:
        >>> rung_sizes(2), rung_sizes(5)
        ((2, 1), (5, 3, 2, 1))
    """
    return tuple(math.ceil(count / 2**rung) for rung in range((count - 1).bit_length() + 1))
