"""Time and memory that a training takes, as a few of its steps have shown."""

import math
from collections.abc import Callable
from typing import NamedTuple

from fcn.config.file import Config

SCORE_STEPS = 4
"""Steps between scorings while a cost is measured; a checkpoint comes after every second step."""
FEWEST_STEPS = 2 * SCORE_STEPS
"""Steps that are taken at least: the first one and the first scoring trace the net."""


class Cost(NamedTuple):
    """Time and memory that a training takes.

    Attributes:
        steps: Number of steps that were taken; with fewer than `FEWEST_STEPS`, which were too slow to go on,
            only the first seconds are known, and the others are 0.
        start_seconds: From the checked data to the end of the first step, in which the net is traced.
        step_seconds: A step.
        save_seconds: A checkpoint.
        score_seconds: Scoring a megapixel.
        end_seconds: The report.
        device: The hardware.
        accelerator_bytes: The most memory of one accelerator; None on a CPU.
    """

    steps: int
    start_seconds: float
    step_seconds: float
    save_seconds: float
    score_seconds: float
    end_seconds: float
    device: str
    accelerator_bytes: int | None

    def total_seconds(self, config: Config, steps: int, val_megapixels: float) -> float:
        """Returns how long a training takes after its data are checked.

        Args:
            config: Says how often it is scored and saved.
            steps: Its number of steps.
            val_megapixels: Size of all images that it is scored on.
        """
        every, saved = config.train.evaluate_steps, config.train.checkpoint_steps
        scorings = -(-steps // every)  # with the last step
        saves = scorings + steps // saved - steps // math.lcm(every, saved)
        saves -= bool(steps % every) and not steps % saved  # the last step is saved once
        seconds = self.start_seconds + (steps - 1) * self.step_seconds + self.end_seconds
        return seconds + saves * self.save_seconds + scorings * val_megapixels * self.score_seconds

    def steps_within(self, config: Config, seconds: float, val_megapixels: float) -> int:
        """Returns how many steps a training can take in a time; 0 where it is too short for one.

        Args:
            config: Says how often it is scored and saved.
            seconds: The time, from the checked data on.
            val_megapixels: Size of all images that it is scored on.
        """
        return most_steps(lambda steps: self.total_seconds(config, steps, val_megapixels), seconds)


def most_steps(total_seconds: Callable[[int], float], seconds: float) -> int:
    """Returns the largest number of steps that takes at most so long.

    Args:
        total_seconds: Time of a number of steps; more steps take longer.
        seconds: The time that there is.

    Example:
        >>> most_steps(lambda steps: 10 + 2 * steps, 21)
        5
    """
    low, high = 0, 1
    while total_seconds(high) <= seconds:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if total_seconds(middle) <= seconds else (low, middle)
    return low
