"""Writes checkpoints, keeps the best one with its scores, and saves when the training is stopped."""

import math
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from fcn.evaluation.evaluate import evaluate_examples
from fcn.evaluation.evaluation import Evaluation, scores_document
from fcn.runs.log import COLUMNS, read_log, scored_steps
from fcn.runs.model_file import copy_checkpoint, save_model
from fcn.system.files import as_json, write_durably
from fcn.system.remedies import resume_run
from fcn.system.text import print_notice
from fcn.training import devices
from fcn.training.best import choice_score, kept_choice
from fcn.training.callbacks import Logger, not_finite
from fcn.training.checkpoint import keep_last, save_training, zip_damage
from fcn.training.consensus import StopConsensus
from fcn.training.health import HealthCheck
from fcn.training.session import Session
from fcn.training.step_callback import StepCallback


class CheckpointCallback(StepCallback):
    """Writes checkpoints, scores the validation split, and keeps the best checkpoint with its scores.

    Args:
        session: What is trained; its average, where it has one, is scored and kept in place of the net.
        logger: Gets a row of scores for each evaluation, and has the losses that are in no row yet.
        health: Checks each evaluation, and has the first value of the loss.
        on_scores: Called with the step and the evaluation after each one.

    Attributes:
        best: The evaluation of the best checkpoint; None if an earlier session wrote that.
        latest: The latest evaluation of this session.
        scoring: Whether the validation split is being scored now.
        stopping: Set it to leave the next scoring to the session after this one.
    """

    def __init__(
        self,
        session: Session,
        logger: Logger,
        health: HealthCheck,
        on_scores: Sequence[Callable[[int, Evaluation], None]] = (),
    ) -> None:
        self.on_scores = [*on_scores, health.check_scores]
        self.health = health
        self.session = session
        self.run = session.run
        self.config = session.config
        self.logger = logger
        self.position = session.position
        self.stopping = False
        self.scoring = False
        self.best: Evaluation | None = None
        self.latest: Evaluation | None = None
        self._best = self._best_before()
        self._saved_at = time.monotonic()

    def begin(self, step: int) -> None:
        """Scores now if an earlier session was stopped while it scored, or if the best checkpoint is lost."""
        self._saved_at = time.monotonic()
        is_unscored = step not in scored_steps(self.run.log)
        ends = step == self.config.train.steps and (is_unscored or self._best == -math.inf)
        if ends or (self.position.scores and is_unscored):
            self.evaluate(step)

    def on_step(self, step: int, loss: float) -> None:
        """Saves and scores when it is time to."""
        settings, evaluates = self.config.train, self._evaluates(step)
        late = time.monotonic() - self._saved_at >= 60 * (settings.checkpoint_minutes or math.inf)
        if evaluates or late or step % settings.checkpoint_steps == 0:
            self.save(step, evaluates)
        if evaluates and not self.stopping:
            self.evaluate(step)

    def save(self, step: int, scores: bool) -> None:
        """Writes a checkpoint of the weights as they are.

        Args:
            step: Updates of the weights so far.
            scores: Whether these weights are to be scored.

        Raises:
            NonFiniteLossError: If a number is not finite; the checkpoint before stays.
            OutputError: If the place cannot be written to or the disk is full.
        """
        if step == self.position.step:
            return
        # In NumPy, since other processes may hold copies of the weights and do not take part in this.
        model = self.session.model
        variables = [*model.weights, *model.optimizer.variables]
        if not all(np.isfinite(ops.convert_to_numpy(variable)).all() for variable in variables):
            raise not_finite("Weights became infinite or NaN", step, self.config.train)
        self.logger.log.force_to_disk()
        keep_last(self.run, self.position.step, self.config.train.keep_checkpoints)
        examples = step * self.config.train.batch_size + self.session.stream.skipped
        position = self.position._replace(
            step=step,
            losses=tuple(self.logger.losses),
            scores=scores,
            examples=examples,
            first_loss=self.health.first_loss,
        )
        with devices.undistributed():
            save_training(model, self.run.last, position, self.session.average)
        self.position, self._saved_at = position, time.monotonic()

    def evaluate(self, step: int) -> None:
        """Scores the weights of the last checkpoint, and keeps it if it is the best."""
        session, self.scoring = self.session, True
        with devices.undistributed():
            evaluation = evaluate_examples(session.predictor, session.val_examples, loss=session.model.loss)
        self.scoring = False
        self.latest, scores = evaluation, evaluation.scores
        choice = choice_score(scores.class_iou, session.classes_in_both)
        if choice > self._best:
            self._best, self.best = choice, evaluation
            if session.average is None:
                copy_checkpoint(self.run.last, self.run.best)
            else:
                with devices.undistributed():
                    save_model(session.average, self.run.best)
            data = self.config.data
            names = session.predictor.classes.names
            document = scores_document(
                evaluation, names, data.root, data.val_split, session.training, session.warnings
            )
            write_durably(self.run.scores, as_json(document | {"step": step}) + "\n")
        # The row comes last: a training stopped before it is written scores this step again.
        self.logger.log.add(
            {"step": step, "val_loss": evaluation.loss}
            | {key: value for key, value in scores._asdict().items() if key in COLUMNS}
        )
        for listener in self.on_scores:
            listener(step, evaluation)

    def end(self, step: int) -> None:
        """Saves and scores a training that a callback ended before its last step."""
        if step not in scored_steps(self.run.log):
            self.save(step, scores=True)
            self.evaluate(step)

    def _best_before(self) -> float:
        """Returns the score of the best checkpoint of earlier sessions, which a better one must exceed."""
        scored = {
            int(row["step"]): float(row["mean_iou"]) for row in read_log(self.run.log) if row["mean_iou"]
        }
        if not scored or not _is_whole(self.run.best):
            return -math.inf
        names, in_both = self.session.predictor.classes.names, self.session.classes_in_both
        kept = kept_choice(self.run.scores, names, in_both, scored)
        return max(scored.values()) if kept is None else kept

    def _evaluates(self, step: int) -> bool:
        return step % self.config.train.evaluate_steps == 0 or step == self.config.train.steps


class SaveWhenStopped(StepCallback):
    """Saves and ends the process on a signal, with exit code 143 (SIGTERM) or 130 (Ctrl-C).

    Saving waits for the end of a step. While the validation split is scored everything is saved already,
    and the process ends at once, as it does on a second signal. Of several processes, all end after the same
    step, whichever got the signal. It comes last among the callbacks.

    Args:
        checkpoints: Saves; None in a process that leaves that to another.
        consensus: Tells the other processes.
    """

    EXIT_CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}

    def __init__(self, checkpoints: CheckpointCallback | None, consensus: StopConsensus) -> None:
        self.checkpoints = checkpoints
        self.consensus = consensus
        self._exit_code = 0
        self._before: dict[signal.Signals, Any] = {}

    def begin(self, step: int) -> None:
        """Starts to handle the signals, where this is the main thread.

        Raises:
            SystemExit: If another process ends.
        """
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._on_signal) for number in self.EXIT_CODES}
        self.on_step(step, 0.0)

    def _on_signal(self, number: int, frame: Any) -> None:
        exit_code = self.EXIT_CODES[signal.Signals(number)]
        if self._exit_code or (self.checkpoints and self.checkpoints.scoring):
            raise SystemExit(exit_code)
        self._exit_code = exit_code
        if self.checkpoints:
            self.checkpoints.stopping = True

    def on_step(self, step: int, loss: float) -> None:
        """Saves between two steps.

        Raises:
            SystemExit: If a signal has come, or another process ends.
        """
        exit_code = self.consensus.sync(self._exit_code)
        if not exit_code:
            return
        self._exit_code = exit_code
        if self.checkpoints:
            self.checkpoints.save(step, scores=False)
            run = self.checkpoints.run.path
            print_notice(f"Stopped and saved at step {step}. Resume it: {resume_run(run)}")
        raise SystemExit(exit_code)

    def close(self) -> None:
        """Restores the handlers of before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _is_whole(checkpoint: Path) -> bool:
    """Returns whether the best checkpoint is there and whole, and warns if it is damaged."""
    if not checkpoint.exists():
        return False
    problem = zip_damage(checkpoint)
    if problem:
        print_notice(
            f"Warning: {checkpoint}: is damaged ({problem}); the next one that is scored replaces it."
        )
    return problem is None
