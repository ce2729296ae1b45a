"""What happens between the steps of a training; each callback does one thing.

Keras calls them in order after each step. Steps are counted over the whole training, also over
resumptions: step 1 is the first update of the weights.
"""

import math
import sys
import time
from typing import Any

import keras
from rich.progress import TextColumn

from fcn.errors import NonFiniteLossError
from fcn.progress import progress_bar
from fcn.sections import TrainConfig
from fcn.training.log import TrainingLog
from fcn.training.schedule import PolySchedule


class StepCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Calls `on_step(step, loss)` with the count over the whole training and that step's own loss."""

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Translates Keras' call; `logs["loss"]` is the mean since metrics were reset."""
        self.on_step(int(self.model.optimizer.iterations), float((logs or {})["loss"]))

    def on_step(self, step: int, loss: float) -> None:
        """Does what is to be done after a step.

        Args:
            step: Updates of the weights so far.
            loss: Of this step.
        """


class FreshLoss(keras.callbacks.Callback):  # type: ignore[misc]
    """Resets the loss Keras averages, so that each step reports its own."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Forgets the steps before this one."""
        self.model.reset_metrics()


def not_finite(what: str, step: int, learning_rate: float) -> NonFiniteLossError:
    """Returns the error that ends a training whose numbers are no longer finite."""
    return NonFiniteLossError(
        f"{what} at step {step}. Most likely the learning rate ({learning_rate:.3g}) is too high; next come "
        "weights to start from that were damaged already. Begin a new run with a tenth, --run NAME --set "
        f"train.learning_rate={learning_rate / 10:.3g}, or rise to it, --set train.warmup_steps=500. "
        "The last checkpoint is intact."
    )


class StopOnNonFiniteLoss(StepCallback):
    """Ends a training whose loss is NaN or infinite."""

    def __init__(self, schedule: PolySchedule) -> None:
        super().__init__()
        self.schedule = schedule

    def on_step(self, step: int, loss: float) -> None:
        """Checks the loss.

        Raises:
            NonFiniteLossError: If it is not finite.
        """
        if math.isfinite(loss):
            return
        raise not_finite(f"The loss became {loss}", step, float(self.schedule(step - 1)))


class Logger(StepCallback):
    """Writes the mean loss of the last steps and the speed to the log every `log_steps` steps."""

    def __init__(self, log: TrainingLog, schedule: PolySchedule, config: TrainConfig) -> None:
        super().__init__()
        self.log = log
        self.schedule = schedule
        self.config = config
        self._losses: list[float] = []
        self._step_seconds = 0.0
        self._before = log.elapsed_seconds
        self._began = self._step_began = time.monotonic()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock of the whole training."""
        self._began = time.monotonic()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock of a step, which includes waiting for its data but no scoring."""
        self._step_began = time.monotonic()

    def on_step(self, step: int, loss: float) -> None:
        """Writes a row when it is time for one."""
        now = time.monotonic()
        self._losses.append(loss)
        self._step_seconds += now - self._step_began
        if step % self.config.log_steps and step != self.config.steps:
            return
        images = len(self._losses) * self.config.batch_size
        self.log.add(
            {
                "step": step,
                "loss": sum(self._losses) / len(self._losses),
                "learning_rate": float(self.schedule(step - 1)),
                "images_per_second": images / max(self._step_seconds, 1e-9),
                "elapsed_seconds": self._before + now - self._began,
            }
        )
        self._losses.clear()
        self._step_seconds = 0.0


class ProgressReport(StepCallback):
    """Shows how far the training is: a bar in a terminal, a line now and then elsewhere."""

    LINE_SECONDS = 30

    def __init__(self, steps: int, start_step: int, batch_size: int) -> None:
        super().__init__()
        self.steps = steps
        self.batch_size = batch_size
        self.start_step = start_step
        self._bar = progress_bar(TextColumn("loss {task.fields[loss]} · {task.fields[speed]} images/s"))
        self._began = self._told = time.monotonic()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Opens the bar."""
        self._began = self._told = time.monotonic()
        self._bar.start()
        self._task = self._bar.add_task(
            "training", total=self.steps, completed=self.start_step, loss="-", speed="-"
        )

    def on_step(self, step: int, loss: float) -> None:
        """Moves the bar, or prints a line where there is none."""
        now = time.monotonic()
        speed = (step - self.start_step) * self.batch_size / max(now - self._began, 1e-9)
        self._bar.update(self._task, completed=step, loss=f"{loss:.3f}", speed=f"{speed:.1f}")
        if self._bar.disable and now - self._told > self.LINE_SECONDS:
            left = (self.steps - step) * self.batch_size / speed
            print(
                f"step {step}/{self.steps}, loss {loss:.3f}, {speed:.1f} images/s, {left / 60:.1f} min left",
                file=sys.stderr,
            )
            self._told = now

    def close(self) -> None:
        """Removes the bar."""
        self._bar.stop()
