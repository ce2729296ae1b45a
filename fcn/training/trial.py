"""A few steps of a training on a part of its data, in a process of its own, to measure time and memory.

It is the training itself, with its reading of images, checkpoints and scores, and not a copy of its step: so
what it takes is what the training takes. Weights start at random, since their values cost nothing.
"""

import math
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from fcn.config.file import Config
from fcn.data.examination import examine_examples
from fcn.data.image_io import read_size
from fcn.data.voc import Example
from fcn.runs.folder import RunFolder
from fcn.system.backend import start_backend
from fcn.training.checked_data import CheckedData

# A checkpoint comes after every second step, a scoring after every fourth. The first step and the first
# scoring trace the net, so that at least eight steps are taken.
_SAVE_STEPS, _SCORE_STEPS = 2, 4
FEWEST_STEPS = 2 * _SCORE_STEPS
# So small that the loss stays finite with random weights.
_LEARNING_RATE = 1e-8


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


class Trial(NamedTuple):
    """A few steps of a training, to be taken in a process of its own.

    Attributes:
        config: How to train.
        data: A part of its data.
        folder: An empty folder, which is filled.
        most_steps: Steps to take at most; fewer than `FEWEST_STEPS` are not enough.
        seconds: After this time no more steps are taken than needed.
        backend: Name of Keras' backend.
        most_step_seconds: If a step takes longer, the trial ends after the third; None: it does not.
    """

    config: Config
    data: CheckedData
    folder: Path
    most_steps: int
    seconds: float
    backend: str
    most_step_seconds: float | None = None

    def take(self) -> Cost:
        """Trains, and returns what that costs.

        Raises:
            FcnError: As `fcn.training.loop.train` does.
        """
        # JAX would reserve most of a GPU's memory, of which it then could not be told how much is used.
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        start_backend(self.backend)
        from fcn.training import devices
        from fcn.training.consensus import stop_together
        from fcn.training.loggers.external import ExternalLoggers
        from fcn.training.loop import train_checked
        from fcn.training.step_clock import SlowStepError, StepClock

        # As the check of the data before a training, which takes memory too.
        examples = [*self.data.train_examples, *self.data.val_examples]
        examine_examples(examples, len(self.data.classes.names))
        clock = StepClock(self.config.train.accumulate, _SCORE_STEPS, self.seconds, self.most_step_seconds)
        with stop_together() as consensus, suppress(SlowStepError):
            run = RunFolder(self.folder / "run")
            train_checked(self._config(), self.data, run, [clock], consensus, ExternalLoggers((), run))
        ended = time.monotonic()
        return clock.cost(
            megapixels(self.data.val_examples),
            ended,
            devices.name_device(self.config.train.devices),
            devices.accelerator_peak_bytes(),
        )

    def _config(self) -> Config:
        """Returns the configuration of the trial."""
        steps = max(FEWEST_STEPS, self.most_steps // _SCORE_STEPS * _SCORE_STEPS)
        changes: dict[str, Any] = {
            "steps": steps,
            "hours": None,
            "patience": None,
            "learning_rate": _LEARNING_RATE,
            "checkpoint_steps": _SAVE_STEPS,
            "checkpoint_minutes": None,
            "evaluate_steps": _SCORE_STEPS,
        }
        return self.config.model_copy(
            update={
                "model": self.config.model.model_copy(update={"weights": "none"}),
                "train": self.config.train.model_copy(update=changes),
            }
        )


def part_of(data: CheckedData, train: Sequence[int], val: Sequence[int]) -> CheckedData:
    """Returns a part of checked data.

    Args:
        data: The data.
        train: Indices of the training examples to keep.
        val: Indices of the validation examples to keep.
    """
    return data._replace(
        train_examples=[data.train_examples[index] for index in train],
        val_examples=[data.val_examples[index] for index in val],
        train_digests=[data.train_digests[index] for index in train],
        val_digests=[data.val_digests[index] for index in val],
        train_sizes=[data.train_sizes[index] for index in train],
        train_pixels=data.train_pixels[list(train)],
    )


def megapixels(examples: Sequence[Example]) -> float:
    """Returns the size of all images together, from their headers."""
    sizes = [read_size(example.image_path) for example in examples]
    return sum(height * width for height, width in sizes) / 1e6
