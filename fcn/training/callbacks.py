"""Callbacks of a training that check, log and show."""

import math
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import keras
import numpy as np
from rich.progress import TextColumn

from fcn.config.sections import TrainConfig
from fcn.data.stream import TrainingStream
from fcn.errors import NonFiniteLossError
from fcn.report.page import duration
from fcn.system.progress import LINE_SECONDS, clock_time, progress_bar
from fcn.system.remedies import other_run, set_keys
from fcn.system.text import print_notice
from fcn.training.log import TrainingLog
from fcn.training.pace import Pace
from fcn.training.schedule import build_schedule
from fcn.training.step_callback import StepCallback


def not_finite(what: str, step: int, config: TrainConfig) -> NonFiniteLossError:
    """Returns the error that ends a training with numbers that are not finite."""
    rate = config.learning_rate
    rise = "" if config.warmup_steps else f", or with a warm-up, {set_keys('train.warmup_steps=500')}"
    rise += f", or with {set_keys('train.precision=float32')}" if config.precision == "bfloat16" else ""
    return NonFiniteLossError(
        f"{what} at step {step}. Most likely the learning rate ({rate:.3g}) is too high; if not, the weights "
        "to start from may be damaged. Start a new run with a tenth of it, "
        f"{other_run(f'train.learning_rate={rate / 10:.3g}')}{rise}. "
        "Checkpoints that were written are intact."
    )


class StopOnNonFiniteLoss(StepCallback):
    """Ends a training when its loss is NaN or infinite."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    def on_step(self, step: int, loss: float) -> None:
        """Checks the loss.

        Raises:
            NonFiniteLossError: If it is not finite.
        """
        if math.isfinite(loss):
            return
        raise not_finite(f"The loss became {loss}", step, self.config)


class Logger(StepCallback):
    """Writes the mean loss of the last steps and the speed to the log every `log_steps` steps.

    Args:
        log: Where to write; closed with this callback.
        config: When to write, and the learning rate of each step.
        losses: Of steps before this session that are in no row yet.

    Attributes:
        losses: Of the steps that are in no row yet, oldest first.
    """

    def __init__(self, log: TrainingLog, config: TrainConfig, losses: Sequence[float] = ()) -> None:
        self.log = log
        self.schedule = build_schedule(config)
        self.config = config
        self.losses = list(losses)
        self._steps = 0
        self._step_seconds = 0.0
        self._before = log.elapsed_seconds
        self._began = self._step_began = time.monotonic()

    def begin(self, step: int) -> None:
        """Starts the clock of the whole training."""
        self._began = time.monotonic()

    def on_step_begin(self, step: int) -> None:
        """Starts the clock of a step, which includes waiting for its data but no scoring."""
        self._step_began = time.monotonic()

    def on_step(self, step: int, loss: float) -> None:
        """Writes a row when it is time to."""
        now = time.monotonic()
        self.losses.append(loss)
        self._steps += 1
        self._step_seconds += now - self._step_began
        if step % self.config.log_steps and step != self.config.steps:
            return
        images = self._steps * self.config.batch_size
        self.log.add(
            {
                "step": step,
                "loss": sum(self.losses) / len(self.losses),
                "learning_rate": float(self.schedule(step - 1)),
                "images_per_second": images / max(self._step_seconds, 1e-9),
                "elapsed_seconds": self._before + now - self._began,
            }
        )
        self.losses.clear()
        self._steps = 0
        self._step_seconds = 0.0

    def close(self) -> None:
        """Closes the log."""
        self.log.close()


class ProgressReport(StepCallback):
    """Shows how far the training is and when it ends: a bar in a terminal, elsewhere a line every 30 seconds.

    The first line comes as soon as the end can be estimated.

    Args:
        pace: Measures the steps.
    """

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._bar = progress_bar(
            TextColumn("loss {task.fields[loss]} · {task.fields[speed]} images/s · ends {task.fields[end]}")
        )
        self._last_printed = time.monotonic()
        self._said_end = False

    def begin(self, step: int) -> None:
        """Opens the bar."""
        self._last_printed = time.monotonic()
        self._bar.start()
        self._task = self._bar.add_task(
            "training", total=self.pace.train.steps, completed=step, loss="-", speed="-", end="-"
        )

    def on_step_begin(self, step: int) -> None:
        """Starts the clock of a step."""
        self.pace.begin_step(step, time.monotonic())

    def on_step(self, step: int, loss: float) -> None:
        """Moves the bar, or prints a line where there is none."""
        now = time.monotonic()
        self.pace.end_step(step, now)
        if self._bar.disable:
            is_known = not self._said_end and self.pace.seconds_left is not None
            if is_known or now - self._last_printed > LINE_SECONDS:
                print_notice(describe_progress(self.pace, step, loss, datetime.now().astimezone()))
                self._last_printed = now
                self._said_end |= is_known
            return
        speed, left = self.pace.images_per_second, self.pace.seconds_left
        self._bar.update(
            self._task,
            completed=step,
            loss=f"{loss:.3f}",
            speed="-" if speed is None else f"{speed:.1f}",
            end="-" if left is None else clock_time(left, datetime.now().astimezone()),
        )

    def close(self) -> None:
        """Removes the bar."""
        self._bar.stop()


def describe_progress(pace: Pace, step: int, loss: float, now: datetime) -> str:
    """Returns a line about how far a training is, how fast it is and when it ends, as far as that is known.

    Args:
        pace: Has measured the steps.
        step: Steps taken.
        loss: Of the last one.
        now: The time in the zone of the reader.
    """
    text = f"step {step}/{pace.train.steps}, loss {loss:.3f}"
    speed, left = pace.images_per_second, pace.seconds_left
    if speed is None or left is None:
        return text
    scoring = "" if pace.knows_scoring else ", scoring not included"
    return f"{text}, {speed:.1f} images/s, ends about {clock_time(left, now)} (in {duration(left)}{scoring})"


class DataWait(keras.callbacks.Callback):  # type: ignore[misc]
    """Measures how long training waits for its examples.

    Keras asks for the examples of one call at a time: a whole step, or a part of one where gradients
    accumulate. A call waits from its start until the last of its examples is ready, if that is later. The
    first call of a session is left out: nothing could be ready for it.

    Args:
        stream: Where examples come from.
        call_size: Examples a call.
        start_call: Calls in earlier sessions.
    """

    def __init__(self, stream: TrainingStream, call_size: int, start_call: int) -> None:
        super().__init__()
        self.stream = stream
        self.call_size = call_size
        self.start_call = start_call
        self._began = 0.0
        self._waited = self._elapsed = 0.0

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock of a call."""
        self._began = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds up the time of the call, and how much of it was spent waiting."""
        first = (self.start_call + batch) * self.call_size
        indices = range(first, first + self.call_size)
        ready = max((self.stream.read_at.pop(index, -math.inf) for index in indices), default=-math.inf)
        if batch > 0:
            self._elapsed += time.monotonic() - self._began
            self._waited += max(0.0, ready - self._began)

    @property
    def seconds(self) -> float:
        """Time of all calls but the first."""
        return self._elapsed

    @property
    def share(self) -> float:
        """Waiting time relative to the time of all calls, 0 to 1; NaN before the second one."""
        return self._waited / self._elapsed if self._elapsed else math.nan


class TorchSeed(StepCallback):
    """Seeds PyTorch's own generator before each step, so that dropout depends on the step alone.

    Keras' layers draw from it there, and its state is in no checkpoint.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_step_begin(self, step: int) -> None:
        """Seeds it with the seed of the training and the step."""
        import torch

        torch.manual_seed(int(np.random.SeedSequence([self.seed, step]).generate_state(1)[0]))
