"""The end of a training: after its last step, or before, when its score has not risen for a while."""

from fcn.config.file import Config
from fcn.runs.folder import RunFolder
from fcn.runs.progress import finished_step, is_stalled, longer, validations_without_rise
from fcn.system.remedies import resume_run
from fcn.system.text import counted, print_notice
from fcn.training import devices
from fcn.training.session import Session
from fcn.training.step_callback import StepCallback


def describe_end(run: RunFolder, config: Config) -> list[str]:
    """Returns lines that a run is finished, and how to train longer; empty if it is not.

    Args:
        run: The folder; it need not exist.
        config: How to learn.

    Raises:
        DataError: If its log is there but cannot be read.
    """
    ended = finished_step(run, config)
    if ended is None:
        return []
    return [
        f"{run.path}: finished at step {ended}.",
        f"To train longer: {resume_run(run.path, longer(run, config))}",
    ]


def describe_stall(run: RunFolder) -> str:
    """Returns a notice that a run has ended before its last step, and how to continue it."""
    return f"{run.path}: has ended: {_describe(run)}. {_continue(run)}"


def _describe(run: RunFolder) -> str:
    count = validations_without_rise(run.log)
    return f"mean IoU has not risen for {counted(count, 'validation')} (train.patience)"


def _continue(run: RunFolder) -> str:
    return f"To continue: {resume_run(run.path, 'train.patience=null')}"


class StopWhenStalled(StepCallback):
    """Ends the training when its score has not risen for `train.patience` validations.

    It comes after what scores, and before what saves when the training is stopped.

    Args:
        session: What is trained.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def on_step(self, step: int, loss: float) -> None:
        """Asks Keras for the end after a validation."""
        run, config = self.session.run, self.session.config
        if config.train.patience is None or step % config.train.evaluate_steps:
            return
        # `WholeSteps` tells the other processes.
        if devices.is_main_process() and is_stalled(run, config):
            self.session.learner.stop_training = True
            print_notice(f"Ends at step {step}: {_describe(run)}. {_continue(run)}")
