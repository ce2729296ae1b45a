"""A few steps of a training on a part of its data, in a process of its own, to measure time and memory.

It is the training itself, with its reading of images, checkpoints and scores, and not a copy of its step: so
what it takes is what the training takes. Weights start at random, since their values cost nothing.
"""

import os
import time
from collections.abc import Sequence
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
from fcn.training.cost import FEWEST_STEPS, SCORE_STEPS, Cost

_SAVE_STEPS = 2
# So small that the loss stays finite with random weights.
_LEARNING_RATE = 1e-8


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
        clock = StepClock(self.config.train.accumulate, SCORE_STEPS, self.seconds, self.most_step_seconds)
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
        steps = max(FEWEST_STEPS, self.most_steps // SCORE_STEPS * SCORE_STEPS)
        changes: dict[str, Any] = {
            "steps": steps,
            "hours": None,
            "patience": None,
            "learning_rate": _LEARNING_RATE,
            "checkpoint_steps": _SAVE_STEPS,
            "checkpoint_minutes": None,
            "evaluate_steps": SCORE_STEPS,
        }
        return self.config.with_values("model", weights="none").with_values("train", **changes)


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
