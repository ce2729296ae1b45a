"""Measures the steps, checkpoints and scorings of a training."""

import math
import time
from statistics import fmean, median
from typing import Any

import keras

from fcn.training.cost import FEWEST_STEPS, Cost

_ROUGH_STEPS = 3


class SlowStepError(Exception):
    """Ends a training whose steps take longer than they may."""


class StepClock(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes when each step of a training has ended, and ends the training when its time is over.

    A checkpoint comes after every second step, a scoring after some of those.

    Args:
        accumulate: Calls of Keras in a step.
        score_steps: Steps between scorings.
        seconds: After this time the training ends at its next scoring, but not before `FEWEST_STEPS`.
        most_step_seconds: If the third step takes longer, the training ends; None: it does not.
    """

    def __init__(
        self, accumulate: int, score_steps: int, seconds: float, most_step_seconds: float | None = None
    ) -> None:
        super().__init__()
        self.most_step_seconds = most_step_seconds
        self.accumulate, self.score_steps, self.seconds = accumulate, score_steps, seconds
        self._began = time.monotonic()
        self._ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes the time, after what else belongs to the step.

        Raises:
            SlowStepError: If steps take longer than they may.
        """
        if (batch + 1) % self.accumulate:
            return
        self._ends.append(time.monotonic())
        steps = len(self._ends)
        if steps == _ROUGH_STEPS and self._ends[-1] - self._ends[-2] > (self.most_step_seconds or math.inf):
            raise SlowStepError
        late = self._ends[-1] - self._began > self.seconds
        if late and steps >= FEWEST_STEPS and steps % self.score_steps == 0:
            self.model.stop_training = True

    def cost(
        self, scored_megapixels: float, ended: float, device: str, accelerator_bytes: int | None
    ) -> Cost:
        """Returns what the training cost.

        Args:
            scored_megapixels: Size of all images of a scoring.
            ended: When all was done.
            device: The hardware.
            accelerator_bytes: The most memory of one accelerator.
        """
        times = {
            step: end - before
            for step, (before, end) in enumerate(zip(self._ends, self._ends[1:], strict=False), start=2)
        }
        if len(self._ends) == _ROUGH_STEPS:
            start = self._ends[0] - self._began
            return Cost(_ROUGH_STEPS, start, times[_ROUGH_STEPS], 0.0, 0.0, 0.0, device, accelerator_bytes)
        step = _typical([seconds for number, seconds in times.items() if number % 2])
        saving = [seconds for number, seconds in times.items() if number % self.score_steps == 2]
        save = max(0.0, _typical(saving[1:]) - step)
        scoring = [seconds for number, seconds in times.items() if number % self.score_steps == 0]
        score = max(0.0, _typical(scoring[1:]) - step - save)
        return Cost(
            steps=len(self._ends),
            start_seconds=self._ends[0] - self._began,
            step_seconds=step,
            save_seconds=save,
            score_seconds=score / max(scored_megapixels, 1e-6),
            end_seconds=ended - self._ends[-1],
            device=device,
            accelerator_bytes=accelerator_bytes,
        )


def _typical(seconds: list[float]) -> float:
    """Returns the mean without what took more than three times the median."""
    most = 3 * median(seconds)
    return max(1e-9, fmean(one for one in seconds if one <= most))
