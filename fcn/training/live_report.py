"""The report, and the pictures of TensorBoard and other loggers, while a net is trained."""

import time
from contextlib import suppress

from fcn.errors import FcnError
from fcn.report import Progress, Snapshot, take_snapshot, write_progress_report
from fcn.report.pictures import label_picture, side_by_side, spread
from fcn.system.remedies import resume_run
from fcn.training.checkpoint_callback import CheckpointCallback
from fcn.training.log import TrainingLog
from fcn.training.pace import Pace
from fcn.training.session import Session
from fcn.training.step_callback import StepCallback

_NUM_PICTURED = 4


class LiveReport(StepCallback):
    """Rewrites the report every 30 seconds and after each evaluation, then with pictures for loggers.

    It comes after `CheckpointCallback`, which evaluates.

    Args:
        session: What is trained, and where to write.
        checkpoints: Scores the net.
        log: Takes pictures for TensorBoard and other loggers.
        pace: Has measured the steps.
    """

    WRITE_SECONDS = 30

    def __init__(
        self, session: Session, checkpoints: CheckpointCallback, log: TrainingLog, pace: Pace
    ) -> None:
        self.session = session
        self.checkpoints = checkpoints
        self.log = log
        self.pace = pace
        self.steps = session.config.train.steps
        self.pictured = spread(session.val_examples, _NUM_PICTURED)
        self._snapshot: Snapshot | None = None
        self._step = 0
        self._written = 0.0

    def begin(self, step: int) -> None:
        """Writes the page with the curves of earlier sessions."""
        self._step = step
        self._look(step)
        self._write(Progress(step, self.steps))

    def on_step(self, step: int, loss: float) -> None:
        """Writes the page when it is time to."""
        self._step, now = step, time.monotonic()
        is_new = self._look(step)
        if is_new or now - self._written > self.WRITE_SECONDS:
            self._write(Progress(step, self.steps, self.pace.seconds_left))

    def on_error(self, error: BaseException) -> None:
        """Writes on the page why the training ended before its last step, if the page can be written."""
        with suppress(FcnError):
            self._write(Progress(self._step, self.steps, ended=self._reason(error)))

    def _look(self, step: int) -> bool:
        """Takes the pictures of an evaluation that is new; returns whether there was one."""
        evaluation = self.checkpoints.latest
        if evaluation is None or (self._snapshot and self._snapshot.evaluation is evaluation):
            return False
        predictor, split = self.session.predictor, self.session.config.data.val_split
        weights = f"Weights after step {step:,}"
        self._snapshot = take_snapshot(
            predictor, evaluation, split, weights, num_pictures=2, warnings=self.session.warnings
        )
        if not self.log.shows_images:
            return True
        pictures = {
            example.name: side_by_side(label_picture(predictor, example), predictor.classes)
            for example in self.pictured
        }
        self.log.add_images(step, pictures)
        return True

    def _write(self, progress: Progress) -> None:
        run, shares, health = self.session.run, self.session.shares, self.checkpoints.health.warnings
        write_progress_report(run, progress, self._snapshot, shares, health)
        self._written = time.monotonic()

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            return f"it was stopped; resume it: {resume_run(self.session.run.path)}"
        return str(error) or type(error).__name__
