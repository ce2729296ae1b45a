"""One training, from a configuration to a run folder."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras

import fcn
from fcn.classes import Classes
from fcn.config import Config, changed_keys, load_config
from fcn.data.stream import TrainingStream
from fcn.data.voc import Example, check_disjoint, check_examples, read_classes, read_split
from fcn.errors import DataError, OutputError, RunError
from fcn.evaluation import Evaluation, evaluate_examples, label_agreement
from fcn.files import write_json, write_text
from fcn.inference.predictor import Predictor
from fcn.models.factory import build_model
from fcn.models.fcn import FCN
from fcn.report import write_report
from fcn.run import RunFolder, load_model
from fcn.training import devices
from fcn.training.average import WeightAverage, copy_of
from fcn.training.checkpoint import Progress, find_checkpoint, remove_halves, restore_training
from fcn.training.keeper import Keeper, SaveWhenStopped
from fcn.training.listeners import DataWait, Logger, ProgressReport, StopOnNonFiniteLoss, TorchSeed
from fcn.training.log import TrainingLog
from fcn.training.loss import VoidCrossentropy
from fcn.training.optimizer import build_optimizer, build_schedule
from fcn.training.precision import set_precision
from fcn.training.start import load_start, start_from
from fcn.training.steps import StepListener, Steps

# Enough to see that a net continues another one, few enough not to wait for.
_AGREEMENT_IMAGES = 10
# What may differ between a run and its resumption: it changes when things are written, not what is learned.
_FREE_KEYS = (
    "train.log_steps",
    "train.checkpoint_steps",
    "train.evaluate_steps",
    "data.root",
    "model.weights",
)


class TrainingResult(NamedTuple):
    """What a training leaves behind.

    Attributes:
        run: The folder with everything that was written.
        evaluation: Of the best checkpoint on the validation split.
        classes: The classes that were learned.
        data_wait: Share of the time of all steps that was spent waiting for examples, 0 to 1.
    """

    run: RunFolder
    evaluation: Evaluation
    classes: Classes
    data_wait: float


def train(
    config: Config | Path | str,
    run_path: Path | str,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult:
    """Trains a net and writes a run folder.

    Args:
        config: What to do, or the path of a YAML file that says it.
        run_path: Where to write.
        resume: Whether to go on at the last checkpoint of a run that is already there.
        callbacks: Further Keras callbacks.

    Raises:
        ConfigError: If the configuration cannot be read.
        DataError: If any image or label of the data set cannot be used.
        NonFiniteLossError: If the loss is no longer a number.
        OutputError: If the folder cannot be written to or the disk is full.
        RunError: If there is a run already, or the one to resume had another configuration.
    """
    if not isinstance(config, Config):
        config = load_config(Path(config))
    run = RunFolder(Path(run_path))
    _check_run(run, config, resume)
    classes, train_examples, val_examples = _read_data(config)

    set_precision(config.train.precision)
    keras.utils.set_random_seed(config.train.seed)
    if devices.leads():
        remove_halves(run)
    devices.meet("before anything is written")
    checkpoint = find_checkpoint(run)
    with devices.scope(config):
        model = load_model(checkpoint) if checkpoint else _begin_model(config, classes, val_examples)
        # XLA on a CPU makes transposed convolutions many times slower.
        xla = config.train.xla or keras.backend.backend() == "jax"
        model.compile(optimizer=build_optimizer(config.train), loss=VoidCrossentropy(), jit_compile=xla)
        average = None if config.train.ema is None else copy_of(model)
        progress = restore_training(model, checkpoint, classes, average) if checkpoint else Progress(0)
        try:
            if devices.leads():
                _begin_run(run, config)
            stream = TrainingStream(
                train_examples, len(classes.names), config.augmentation, config.train.seed
            )
            session = _Session(run, config, model, average, val_examples, stream, progress)
            session.take_steps(callbacks)
        except OutputError as error:
            raise OutputError(f"{error} A training that had begun goes on with --resume.") from error
    keeper = session.keeper
    if keeper is None:
        devices.meet("after everything is written")
        scored = evaluate_examples(Predictor(run.path), val_examples)
        return TrainingResult(run, scored, classes, session.wait.share)
    predictor, evaluation = keeper.predictor, keeper.best
    if evaluation is None or evaluation is not keeper.latest:  # an earlier checkpoint is the best
        predictor = Predictor(run.path)
        evaluation = evaluation or evaluate_examples(predictor, val_examples)
    write_report(run, predictor, evaluation, config.data.val_split)
    devices.meet("after everything is written")
    return TrainingResult(run, evaluation, classes, session.wait.share)


class _Session:
    """The steps from one start of a training to its end, with everything that happens between them."""

    def __init__(
        self,
        run: RunFolder,
        config: Config,
        model: FCN,
        average: FCN | None,
        val_examples: Sequence[Example],
        stream: TrainingStream,
        progress: Progress,
    ) -> None:
        settings, schedule, step = config.train, build_schedule(config.train), progress.step
        self.config = config
        self.model = model
        self.stream = stream
        self.log: TrainingLog | None = None
        self.keeper: Keeper | None = None
        self.wait = DataWait(stream, settings.batch_size)
        listeners: list[StepListener] = [StopOnNonFiniteLoss(schedule), self.wait]
        if keras.backend.backend() == "torch":
            listeners.append(TorchSeed(settings.seed))
        if average and settings.ema:
            listeners.append(WeightAverage(model, average, settings.ema))
        if devices.leads():
            self.log = TrainingLog(run.log, run.events, step)
            logger = Logger(self.log, schedule, settings, progress.losses)
            self.keeper = Keeper(run, config, model, average, val_examples, logger)
            report = ProgressReport(settings.steps, step, settings.batch_size)
            listeners += [logger, report, self.keeper, SaveWhenStopped(self.keeper)]
        self.steps = Steps(listeners, step, settings.accumulate)

    def take_steps(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Takes all steps that are left."""
        start_step, settings = self.steps.start_step, self.config.train
        left = settings.steps - start_step
        try:
            if left > 0:
                self.model.fit(
                    devices.batches(self.stream, self.config, start_step),
                    steps_per_epoch=left * settings.accumulate,
                    verbose=0,
                    shuffle=False,
                    callbacks=[self.steps, *callbacks],
                )
                if self.keeper:
                    self.keeper.end(self.steps.step)
            else:  # all steps were taken; what follows the last one may be missing
                self.steps.on_train_begin()
        except Exception as error:
            if self.stream.error is None or error is self.stream.error:
                raise
            raise DataError(f"{self.stream.error} Then go on with --resume.") from None
        finally:
            self.steps.close()
            if self.log:
                self.log.close()


def _check_run(run: RunFolder, config: Config, resume: bool) -> None:
    if not run.exists():
        if run.path.exists() and (not run.path.is_dir() or any(run.path.iterdir())):
            raise RunError(f"{run.path}: holds other files, and no run. Choose another folder with --run.")
        if resume:
            print(f"There is no run at {run.path} yet; it begins with step 1.", file=sys.stderr)
        return
    if not resume:
        raise RunError(
            f"{run.path}: holds a run already. Go on with it: --resume. Begin another: --run NAME. "
            "Begin this one anew: delete the folder first."
        )
    changed = [text for text in changed_keys(run.load_config(), config) if not text.startswith(_FREE_KEYS)]
    if changed:
        raise RunError(
            f"{run.path}: was begun with another configuration ({'; '.join(changed)}). Set these keys "
            "back to go on with it, or begin another run: --run NAME."
        )


def _read_data(config: Config) -> tuple[Classes, list[Example], list[Example]]:
    root = config.data.root
    classes = read_classes(root)
    train_examples = read_split(root, config.data.train_split)
    val_examples = read_split(root, config.data.val_split)
    check_disjoint(train_examples, val_examples, root)
    check_examples([*train_examples, *val_examples], len(classes.names))
    return classes, train_examples, val_examples


def _begin_run(run: RunFolder, config: Config) -> None:
    write_json(run.environment, devices.describe() | {"git_hash": _git_hash()})
    write_text(run.config, config.to_yaml())


def _git_hash() -> str | None:
    """Returns the commit this package is checked out at; None where it is installed or git is missing."""
    root = Path(fcn.__file__).parents[1]
    command = ["git", "rev-parse", "--show-toplevel", "HEAD"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return None
    top, _, commit = done.stdout.strip().partition("\n")
    return commit if commit and Path(top).resolve() == root.resolve() else None


def _begin_model(config: Config, classes: Classes, val_examples: Sequence[Example]) -> FCN:
    """Builds the net with the weights it starts from, and says how it fits the one they came from."""
    weights = config.model.weights
    if weights == "none":
        options = config.model.model_dump(exclude={"weights"}) | {"input_scale": config.data.input_scale}
        return build_model(
            num_classes=len(classes.names), class_names=classes.names, palette=classes.palette, **options
        )
    source, has_scores = load_start(weights)
    start = start_from(source, has_scores, config.model, classes, config.data.input_scale)
    print(f"Starting from {weights}: {start.describe()}.", file=sys.stderr)
    if has_scores and not start.renewed:
        examples = val_examples[:_AGREEMENT_IMAGES]
        agreement = label_agreement(Predictor(source), Predictor(start.model), examples)
        print(
            f"Before the first step it agrees with {weights} on {agreement:.2%} of the pixels of "
            f"{len(examples)} images.",
            file=sys.stderr,
        )
    return start.model
