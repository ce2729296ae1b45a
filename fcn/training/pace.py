"""Estimates when a training ends, from the time that its steps and its scoring took."""

from collections import deque
from collections.abc import Collection
from statistics import fmean, median

from fcn.config.sections import TrainConfig

# Steps that an estimate looks back on: enough for a mean over images of many sizes, few enough to follow a
# machine that becomes slower.
_WINDOW = 200
_LEAST_STEPS = 2


class Pace:
    """Speed of the steps of a session.

    The first step is left out: the backend traces or compiles the net in it. A step that took more than ten
    times the median is left out too, since that happens again for images of another size. Scoring, and other
    work between two steps such as checkpoints, is measured by itself.

    Args:
        train: How to learn.
        step: Steps taken in earlier sessions.
    """

    def __init__(self, train: TrainConfig, step: int = 0) -> None:
        self.train = train
        self._first = self._step = step
        self._began = 0.0
        self._ended: float | None = None
        self._steps, self._between, self._scorings = (deque[float](maxlen=_WINDOW) for _ in range(3))

    def begin_step(self, step: int, now: float) -> None:
        """Starts the clock of a step, and stops that of the work since the step before.

        Args:
            step: Its number.
            now: Time in seconds.
        """
        if self._ended is not None:
            scored = (step - 1) % self.train.evaluate_steps == 0
            (self._scorings if scored else self._between).append(now - self._ended)
        self._began = now

    def end_step(self, step: int, now: float) -> None:
        """Stops the clock of a step.

        Args:
            step: Its number.
            now: Time in seconds.
        """
        self._step, self._ended = step, now
        if step > self._first + 1:
            self._steps.append(now - self._began)

    @property
    def images_per_second(self) -> float | None:
        """Images that steps learn from in a second; None before enough steps were measured."""
        seconds = _typical(self._steps)
        return None if seconds is None else self.train.batch_size / seconds

    @property
    def seconds_left(self) -> float | None:
        """Estimate for the remaining steps and scorings; None before enough steps were measured."""
        step = _typical(self._steps)
        if step is None:
            return None
        between = fmean(self._between) if self._between else 0.0
        scoring = fmean(self._scorings) if self._scorings else 0.0
        steps, every = self.train.steps, self.train.evaluate_steps
        is_last_extra = steps % every and self._step < steps  # the last step is scored in any case
        scorings = steps // every - self._step // every + bool(is_last_extra)
        return max(0.0, (steps - self._step) * (step + between) + scorings * (scoring - between))

    @property
    def knows_scoring(self) -> bool:
        """Whether the estimate includes the time of scoring, which is measured at the first one."""
        return bool(self._scorings)


def _typical(seconds: Collection[float]) -> float | None:
    """Returns the mean of durations without those far above the others; None of too few."""
    if len(seconds) < _LEAST_STEPS:
        return None
    most = 10 * median(seconds)
    return max(1e-9, fmean(one for one in seconds if one <= most))
