"""Finds what fits into memory and time, by trials: a few steps of the training on the largest images."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import keras

from fcn.config.file import Config
from fcn.errors import ConfigError
from fcn.planning.shapes import Shape
from fcn.system.measured_process import MemoryLimitError, measure
from fcn.system.text import counted, print_notice
from fcn.training.checked_data import CheckedData
from fcn.training.cost import FEWEST_STEPS, Cost
from fcn.training.trial import Trial

MARGIN = 0.9
"""Share of the memory that a trial may take: the rest is for what differs between two trainings."""
ENOUGH_STEPS = 300
"""A training with fewer gets smaller examples, if it can: pace before detail."""
_MOST_ROUNDS = 4
_FASTER = 0.95
"""How much of the time of float32 a step in bfloat16 may take to be worth its lower precision."""
_SAFE = 0.9


class Option(NamedTuple):
    """Something that a trial can try.

    Attributes:
        shape: Size of the examples.
        accumulate: Number of parts that a batch is computed in.
        precision: `train.precision`.
    """

    shape: Shape
    accumulate: int
    precision: str = "float32"

    def apply(self, config: Config) -> Config:
        """Returns a configuration with these values."""
        changed = config.with_values("model", input_scale=self.shape.input_scale)
        changed = changed.with_values("augmentation", crop_size=self.shape.crop_size)
        return changed.with_values("train", accumulate=self.accumulate, precision=self.precision)


class TrialResult(NamedTuple):
    """A trial.

    Attributes:
        option: What was tried.
        cost: What it cost; None if it took more memory than it may.
        peak_bytes: The memory that it took, of the accelerator if there is one; None if that is not known.
    """

    option: Option
    cost: Cost | None
    peak_bytes: int | None


class Search:
    """Trials of a training, each in a process of its own.

    Args:
        config: The training.
        data: Its largest images.
        limit_bytes: Memory that the training may take, of the accelerator if there is one; None for any.
        seconds: Time of the training.
        on_accelerator: Whether there is one.

    Attributes:
        trials: All trials, in order.
    """

    def __init__(
        self,
        config: Config,
        data: CheckedData,
        limit_bytes: float | None,
        seconds: float,
        on_accelerator: bool,
    ) -> None:
        self.config, self.data = config, data
        self.limit_bytes, self.seconds, self.on_accelerator = limit_bytes, seconds, on_accelerator
        self.trials: list[TrialResult] = []

    def find(self, shapes: Sequence[Shape]) -> TrialResult:
        """Returns the trial of the largest examples that fit into the memory and leave time for enough steps.

        Where a step is too slow, smaller examples are tried; where these leave room, larger ones again, since
        on a busy machine some steps look slower than they are.

        Args:
            shapes: What to choose from, the most work first.

        Raises:
            ConfigError: If the memory is too small for any.
            FcnError: If steps cannot be taken.
        """
        most_seconds = self.seconds / ENOUGH_STEPS
        last = max(index for index, shape in enumerate(shapes) if not shape.is_reserve)
        first = rounds = 0
        too_slow = -1
        while True:
            rounds += 1
            is_last = first >= last or rounds == _MOST_ROUNDS
            found = self._fitting(shapes[first:], None if is_last else most_seconds)
            if found.cost is None:
                raise ConfigError(*self._too_small(found))
            if found.cost.step_seconds <= most_seconds:
                fits = found.option.shape == shapes[first]  # else memory has no room for more
                larger = shapes[too_slow + 1 : first] if fits else ()
                return self._climb(found, larger, most_seconds, _MOST_ROUNDS - rounds)
            if is_last:
                return found
            pixels = _affordable_pixels(found, most_seconds)
            smaller = (index for index in range(first + 1, last + 1) if shapes[index].net_pixels <= pixels)
            too_slow, first = first, next(smaller, last)

    def _climb(
        self, found: TrialResult, larger: Sequence[Shape], most_seconds: float, rounds: int
    ) -> TrialResult:
        """Returns the trial of larger examples than those of one that fits, or that one.

        Args:
            found: The trial that fits.
            larger: What may fit too, the most work first.
            most_seconds: What a step may take.
            rounds: How often something may be tried.
        """
        for _ in range(rounds):
            pixels = _affordable_pixels(found, most_seconds)
            index = next((index for index, shape in enumerate(larger) if shape.net_pixels <= pixels), None)
            if index is None:
                break
            tried = self._fitting(larger[index:], most_seconds)
            if tried.cost is None or tried.cost.step_seconds > most_seconds:
                break
            found, larger = tried, larger[:index] if tried.option.shape == larger[index] else ()
        return found

    def in_bfloat16(self, found: TrialResult) -> TrialResult:
        """Returns a trial in bfloat16 if that is faster, else the one that was found in float32.

        Args:
            found: A trial in float32 that fits.
        """
        other = self._try(found.option._replace(precision="bfloat16"), None)
        if found.cost is None or other.cost is None:
            return found
        return other if other.cost.step_seconds <= _FASTER * found.cost.step_seconds else found

    def _fitting(self, shapes: Sequence[Shape], most_step_seconds: float | None) -> TrialResult:
        """Returns the first trial that fits: of the first shape in few parts, or of a smaller one."""
        batch = self.config.train.batch_size
        devices = self.config.train.devices
        parts = [
            part
            for part in range(1, batch + 1)
            if batch % part == 0 and (devices == "all" or (batch // part) % devices == 0)
        ]
        if not parts:
            raise ConfigError(
                f"train.batch_size={batch}: expected a multiple of train.devices={devices}, which share it "
                "evenly. Choose another one."
            )
        # Each takes less memory than the one before.
        options = [Option(shapes[0], part) for part in parts]
        options += [Option(shape, parts[-1]) for shape in shapes[1:]]
        tried = self._try(options[0], most_step_seconds)
        if tried.cost is not None:
            return tried
        low, high, best = 0, len(options), tried
        middle = max(1, len(parts) - 1)  # most often the first shape fits in more parts
        while high - low > 1:
            tried = self._try(options[middle], most_step_seconds)
            if tried.cost is None:
                low = middle
                best = best if best.cost is not None else tried
            else:
                high, best = middle, tried
            middle = (low + high) // 2
        return best

    def _try(self, option: Option, most_step_seconds: float | None) -> TrialResult:
        """Takes a few steps, and says what they cost."""
        images = self.config.train.batch_size // option.accumulate
        limit = None if self.limit_bytes is None else MARGIN * self.limit_bytes
        text = f"Trying {option.shape.describe()}, {counted(images, 'image')} at once, in {option.precision}"
        with TemporaryDirectory(prefix="fcn-plan-") as folder:
            trial = Trial(
                option.apply(self.config),
                self.data,
                Path(folder),
                FEWEST_STEPS,
                0.0,
                keras.backend.backend(),
                most_step_seconds,
            )
            try:
                cost, peak = measure(trial.take, None if self.on_accelerator else limit)
                if self.on_accelerator:
                    peak = cost.accelerator_bytes
                    if limit is not None and peak is not None and peak > limit:
                        raise MemoryLimitError(peak)
                tried = TrialResult(option, cost, peak)
            except MemoryLimitError as error:
                tried = TrialResult(option, None, error.peak_bytes)
        self.trials.append(tried)
        print_notice(f"{text}: {_describe(tried)}.")
        return tried

    def _too_small(self, tried: TrialResult) -> list[str]:
        option = tried.option
        images = counted(self.config.train.batch_size // option.accumulate, "image")
        limit = "this machine has" if self.limit_bytes is None else f"--memory {self.limit_bytes / 1e9:.3g}"
        return [
            f"{limit}: is too little memory for a step of {self.config.model.net} with {images} of "
            f"{option.shape.describe()}. Give more, or a smaller net: --set model.width=0.5, or a smaller "
            "model.fc_channels."
        ]


def _affordable_pixels(tried: TrialResult, most_seconds: float) -> float:
    """Returns for how many pixels there is time, if time grows with them; often it grows more slowly."""
    if tried.cost is None:
        return 0.0
    return tried.option.shape.net_pixels * _SAFE * most_seconds / tried.cost.step_seconds


def _describe(tried: TrialResult) -> str:
    memory = "" if tried.peak_bytes is None else f", {tried.peak_bytes / 1e9:.2f} GB"
    if tried.cost is None:
        return f"does not fit into the memory{memory}"
    if tried.cost.steps < FEWEST_STEPS:
        return f"too slow, {tried.cost.step_seconds:.3g} s a step"
    return f"{tried.cost.step_seconds:.3g} s a step{memory}"


def describe_trial(tried: TrialResult) -> dict[str, Any]:
    """Returns a trial as JSON values."""
    option, cost = tried.option, tried.cost
    return {
        "input_scale": option.shape.input_scale,
        "crop_size": list(option.shape.crop_size),
        "accumulate": option.accumulate,
        "precision": option.precision,
        "step_seconds": None if cost is None else cost.step_seconds,
        "peak_bytes": tried.peak_bytes,
    }
