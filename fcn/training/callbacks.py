"""What happens between the steps of a training; each callback does one thing.

Keras calls them in order after each step. Steps are counted over the whole training, also over
resumptions: step 1 is the first update of the weights.
"""

import math
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from rich.progress import TextColumn

from fcn.config import Config, TrainConfig
from fcn.data.voc import Example
from fcn.errors import NonFiniteLossError
from fcn.evaluation import Evaluation, evaluate_examples, scores_document
from fcn.files import write_json
from fcn.inference.predictor import Predictor
from fcn.progress import progress_bar
from fcn.run import RunFolder, copy_checkpoint
from fcn.training.checkpoint import save_training
from fcn.training.log import COLUMNS, TrainingLog, read_log
from fcn.training.optimizer import PolySchedule


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


class StopOnNonFiniteLoss(StepCallback):
    """Ends a training whose loss is NaN or infinite, before a checkpoint keeps the damage."""

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
        rate = float(self.schedule(step - 1))
        raise NonFiniteLossError(
            f"The loss became {loss} at step {step}. Most likely the learning rate ({rate:.3g}) is too high; "
            "next come pixels far outside of 0 to 255 and weights that were already damaged. Try a tenth: "
            f"--set train.learning_rate={rate / 10:.3g}, or rise to it: --set train.warmup_steps=500. "
            "The last checkpoint is intact."
        )


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


class Keeper(StepCallback):
    """Writes checkpoints, scores the validation split, and keeps the best checkpoint with its scores.

    Args:
        run: Where to write.
        config: When, and what to score.
        predictor: Labels with the weights as they are.
        examples: The validation split.
        log: Gets a row of scores for each evaluation.

    Attributes:
        best: The best evaluation of this session, None while an earlier session's is better.
        latest: The latest evaluation of this session.
    """

    def __init__(
        self,
        run: RunFolder,
        config: Config,
        predictor: Predictor,
        examples: Sequence[Example],
        log: TrainingLog,
    ) -> None:
        super().__init__()
        self.run = run
        self.config = config
        self.predictor = predictor
        self.examples = examples
        self.log = log
        self.best: Evaluation | None = None
        self.latest: Evaluation | None = None
        scored = (float(row["mean_iou"]) for row in read_log(run.log) if row["mean_iou"])
        self._best_mean_iou = max(scored, default=-1.0)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Makes up for an evaluation during which an earlier session was stopped."""
        step = int(self.model.optimizer.iterations)
        if step and self._evaluates(step) and step not in scored_steps(self.run.log):
            self.evaluate(step)

    def on_step(self, step: int, loss: float) -> None:
        """Writes and scores when it is time to."""
        evaluates = self._evaluates(step)
        if evaluates or step % self.config.train.checkpoint_steps == 0:
            save_training(self.model, self.run.last)
        if evaluates:
            self.evaluate(step)

    def evaluate(self, step: int) -> None:
        """Scores the weights of the last checkpoint, and keeps it if it is the best."""
        evaluation = evaluate_examples(self.predictor, self.examples)
        self.latest, scores = evaluation, evaluation.scores
        mean_iou = -1.0 if math.isnan(scores.mean_iou) else scores.mean_iou
        if mean_iou > self._best_mean_iou:
            self._best_mean_iou, self.best = mean_iou, evaluation
            copy_checkpoint(self.run.last, self.run.best)
            data = self.config.data
            document = scores_document(evaluation, self.predictor.classes.names, data.root, data.val_split)
            write_json(self.run.scores, document | {"step": step})
        # The row comes last: a training stopped before it is written scores this step again.
        self.log.add(
            {"step": step} | {key: value for key, value in scores._asdict().items() if key in COLUMNS}
        )

    def _evaluates(self, step: int) -> bool:
        return step % self.config.train.evaluate_steps == 0 or step == self.config.train.steps


class SaveOnTermination(StepCallback):
    """Saves and ends the process with exit code 143 when it is told to stop (SIGTERM)."""

    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self.run = run
        self._told = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Listens for the signal, where this is the main thread."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, number: int, frame: Any) -> None:
        self._told = True

    def on_step(self, step: int, loss: float) -> None:
        """Saves between two steps.

        Raises:
            SystemExit: If the signal has come.
        """
        if self._told:
            save_training(self.model, self.run.last)
            raise SystemExit(128 + signal.SIGTERM)

    def close(self) -> None:
        """Stops listening."""
        if hasattr(self, "_before"):
            signal.signal(signal.SIGTERM, self._before)


def scored_steps(log_path: Path) -> set[int]:
    """Returns the steps that a log has scores for."""
    return {int(row["step"]) for row in read_log(log_path) if row["pixel_accuracy"]}
