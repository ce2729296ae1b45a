"""What a training keeps: checkpoints, the best of them with its scores, and its place when it is stopped."""

import math
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras import ops

from fcn.config import Config
from fcn.data.voc import Example
from fcn.evaluation import Evaluation, evaluate_examples, scores_document
from fcn.files import write_json
from fcn.inference.predictor import Predictor
from fcn.run import RunFolder, copy_checkpoint
from fcn.training.callbacks import StepCallback, not_finite
from fcn.training.checkpoint import save_training
from fcn.training.log import COLUMNS, TrainingLog, read_log
from fcn.training.schedule import PolySchedule


class Keeper(StepCallback):
    """Writes checkpoints, scores the validation split, and keeps the best checkpoint with its scores.

    Args:
        run: Where to write.
        config: When, and what to score.
        predictor: Labels with the weights as they are.
        examples: The validation split.
        log: Gets a row of scores for each evaluation.
        schedule: The learning rate of each step.

    Attributes:
        best: The evaluation of the best checkpoint; None if an earlier session wrote that.
        latest: The latest evaluation of this session.
        scoring: Whether the validation split is being scored now.
    """

    def __init__(
        self,
        run: RunFolder,
        config: Config,
        predictor: Predictor,
        examples: Sequence[Example],
        log: TrainingLog,
        schedule: PolySchedule,
    ) -> None:
        super().__init__()
        self.run = run
        self.config = config
        self.predictor = predictor
        self.examples = examples
        self.log = log
        self.schedule = schedule
        self.scoring = False
        self.best: Evaluation | None = None
        self.latest: Evaluation | None = None
        scored = (float(row["mean_iou"]) for row in read_log(run.log) if row["mean_iou"])
        self._best_mean_iou = max(scored, default=-math.inf)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Makes up for an evaluation during which an earlier session was stopped."""
        step = int(self.model.optimizer.iterations)
        if step and self._evaluates(step) and step not in scored_steps(self.run.log):
            self.evaluate(step)

    def on_step(self, step: int, loss: float) -> None:
        """Writes and scores when it is time to."""
        evaluates = self._evaluates(step)
        if evaluates or step % self.config.train.checkpoint_steps == 0:
            self.save()
        if evaluates:
            self.evaluate(step)

    def save(self) -> None:
        """Writes a checkpoint of the weights as they are.

        Raises:
            NonFiniteLossError: If a weight is not finite; the checkpoint before stays.
            OutputError: If the place cannot be written to or the disk is full.
        """
        if not all(bool(ops.all(ops.isfinite(weight))) for weight in self.model.weights):
            step = int(self.model.optimizer.iterations)
            raise not_finite("Weights became infinite or NaN", step, float(self.schedule(step - 1)))
        save_training(self.model, self.run.last)

    def evaluate(self, step: int) -> None:
        """Scores the weights of the last checkpoint, and keeps it if it is the best."""
        self.scoring = True
        evaluation = evaluate_examples(self.predictor, self.examples)
        self.scoring = False
        self.latest, scores = evaluation, evaluation.scores
        mean_iou = 0.0 if math.isnan(scores.mean_iou) else scores.mean_iou
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


class SaveWhenStopped(StepCallback):
    """Saves and ends the process when it is told to stop, with exit code 143 (SIGTERM) or 130 (Ctrl-C).

    Saving waits for the end of a step. While the validation split is scored everything is saved already,
    and the process ends at once, as it does when it is told a second time.
    """

    EXIT_CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}

    def __init__(self, keeper: Keeper) -> None:
        super().__init__()
        self.keeper = keeper
        self._exit_code: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Listens for the signals, where this is the main thread."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._on_signal) for number in self.EXIT_CODES}

    def _on_signal(self, number: int, frame: Any) -> None:
        exit_code = self.EXIT_CODES[signal.Signals(number)]
        if self.keeper.scoring or self._exit_code is not None:
            raise SystemExit(exit_code)
        self._exit_code = exit_code

    def on_step(self, step: int, loss: float) -> None:
        """Saves between two steps.

        Raises:
            SystemExit: If a signal has come.
        """
        if self._exit_code is not None:
            self.keeper.save()
            print(f"Stopped and saved at step {step}. Go on with --resume.", file=sys.stderr)
            raise SystemExit(self._exit_code)

    def close(self) -> None:
        """Stops listening."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


def scored_steps(log_path: Path) -> set[int]:
    """Returns the steps that a log has scores for."""
    return {int(row["step"]) for row in read_log(log_path) if row["pixel_accuracy"]}
