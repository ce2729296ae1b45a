"""The callbacks of a step, in order."""

import keras

from fcn.training import devices
from fcn.training.average import WeightAverage
from fcn.training.callbacks import DataWait, Logger, ProgressReport, StopOnNonFiniteLoss, TorchSeed
from fcn.training.checkpoint_callback import CheckpointCallback, SaveWhenStopped
from fcn.training.health import HealthCheck
from fcn.training.length import StopWhenStalled
from fcn.training.live_report import LiveReport
from fcn.training.log import TrainingLog
from fcn.training.loggers.external import TENSORBOARD
from fcn.training.pace import Pace
from fcn.training.score_report import ScoreReport
from fcn.training.session import Session
from fcn.training.step_callback import StepCallback


def build_callbacks(session: Session, wait: DataWait) -> tuple[list[StepCallback], CheckpointCallback | None]:
    """Returns the callbacks of a step in order, and the one that scores, which only the first process has.

    `fcn.training` says why they are in this order.

    Args:
        session: What is trained.
        wait: Measures how long steps wait for examples.
    """
    settings, position = session.config.train, session.position
    callbacks: list[StepCallback] = [StopOnNonFiniteLoss(settings)]
    if keras.backend.backend() == "torch":
        callbacks.append(TorchSeed(settings.seed))
    if session.average is not None and settings.ema is not None:
        callbacks.append(WeightAverage(session.model, session.average, settings.ema))
    checkpoints = None
    if devices.is_main_process():
        events = session.run.events if TENSORBOARD in settings.log else None
        log = TrainingLog(session.run.log, events, position.step, session.loggers)
        logger = Logger(log, settings, position.losses)
        pace = Pace(settings, position.step)
        scores, health = ScoreReport(session), HealthCheck(session, wait)
        checkpoints = CheckpointCallback(session, logger, health, [scores.show])
        live_report = LiveReport(session, checkpoints, log, pace)
        callbacks += [logger, ProgressReport(pace), scores, health, checkpoints, live_report]
    callbacks.append(StopWhenStalled(session))
    callbacks.append(SaveWhenStopped(checkpoints, session.consensus))
    return callbacks, checkpoints
