"""The steps from one start of a training to its end, with everything that happens between them."""

import sys
from collections.abc import Sequence

import keras

from fcn.config.file import Config
from fcn.data.stream import TrainingStream
from fcn.data.voc import Example
from fcn.errors import DataError
from fcn.inference.predictor import Predictor
from fcn.models.net import SegmentationNet
from fcn.runs.lineage import TrainingSplit, describe_earlier, trained_before
from fcn.runs.model_file import RunFolder
from fcn.training import devices
from fcn.training.average import WeightAverage
from fcn.training.callbacks import DataWait, Logger, ProgressReport, StopOnNonFiniteLoss, TorchSeed
from fcn.training.checkpoint import Position
from fcn.training.checkpoint_callback import CheckpointCallback, SaveWhenStopped
from fcn.training.consensus import StopConsensus
from fcn.training.live_report import LiveReport
from fcn.training.log import TrainingLog
from fcn.training.schedule import build_schedule
from fcn.training.step_callback import StepCallback, StepDispatcher, WholeSteps


class Session:
    """One session of a training; of several processes, the first writes and scores.

    Args:
        run: Where to write.
        config: How to learn.
        model: The net that learns, compiled and restored.
        average: The net that follows it; None without an average.
        val_examples: The validation split.
        stream: The training examples.
        position: Where the training is.
        consensus: What the processes of the training agree on after each step.

    Attributes:
        predictor: Labels with the weights that are scored, as they are.
        wait: How long steps waited for examples.
        training: What the net is trained on; only the first process says what the weights it started from
            were trained on.
        checkpoints: Has the evaluations; None in every process but the first.
    """

    def __init__(
        self,
        run: RunFolder,
        config: Config,
        model: SegmentationNet,
        average: SegmentationNet | None,
        val_examples: Sequence[Example],
        stream: TrainingStream,
        position: Position,
        consensus: StopConsensus,
    ) -> None:
        settings, schedule, step = config.train, build_schedule(config.train), position.step
        self.config = config
        self.model = model
        self.stream = stream
        self.predictor = Predictor(average or model)
        earlier = trained_before(config.model.weights, val_examples) if devices.is_main_process() else ()
        self.training = TrainingSplit(config.data.train_split, len(stream.examples), 0, earlier)
        if warning := describe_earlier(earlier, len(val_examples)):
            print(f"Warning: {warning}", file=sys.stderr)
        self.wait = DataWait(stream, settings.batch_size // settings.accumulate, step * settings.accumulate)
        self.checkpoints: CheckpointCallback | None = None
        self.page: LiveReport | None = None
        self.log: TrainingLog | None = None
        callbacks: list[StepCallback] = [StopOnNonFiniteLoss(settings)]
        if keras.backend.backend() == "torch":
            callbacks.append(TorchSeed(settings.seed))
        if average and settings.ema is not None:
            callbacks.append(WeightAverage(model, average, settings.ema))
        if devices.is_main_process():
            self.log = TrainingLog(run.log, run.events, step)
            logger = Logger(self.log, schedule, settings, position.losses)
            self.checkpoints = CheckpointCallback(
                run, config, model, average, self.predictor, val_examples, self.training, logger, position
            )
            self.page = LiveReport(self.checkpoints, settings.steps, val_examples)
            progress = ProgressReport(settings.steps, step, settings.batch_size)
            callbacks += [logger, progress, self.checkpoints, self.page]
        callbacks.append(SaveWhenStopped(self.checkpoints, consensus))
        self.steps = StepDispatcher(callbacks, step, settings.accumulate, config.loss.reduction, consensus)

    def take_steps(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Takes all steps that are left.

        Args:
            callbacks: Keras callbacks of the caller.

        Raises:
            DataError: If an example cannot be used any more.
            NonFiniteLossError: If the loss is no longer a number.
            OutputError: If the run cannot be written to or the disk is full.
        """
        start_step, settings = self.steps.start_step, self.config.train
        left = settings.steps - start_step
        try:
            if left > 0:
                self.model.fit(
                    devices.batches(self.stream, self.config, start_step),
                    steps_per_epoch=left * settings.accumulate,
                    verbose=0,
                    shuffle=False,
                    callbacks=[self.wait, self.steps, *callbacks, WholeSteps(self.steps)],
                )
                if self.checkpoints:
                    self.checkpoints.end(self.steps.step)
            else:  # all steps were taken; what follows the last one may be missing
                self.steps.on_train_begin()
        except BaseException as error:
            if self.page:
                self.page.ended(_reason(error))
            if self.stream.error is None or error is self.stream.error:
                raise
            raise DataError(f"{self.stream.error} Then go on with --resume.") from None
        finally:
            self.steps.close()
            if self.log:
                self.log.close()


def _reason(error: BaseException) -> str:
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        return "it was told to stop; go on with --resume"
    return str(error) or type(error).__name__
