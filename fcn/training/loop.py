"""One training, from a configuration to a run folder."""

import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

import fcn
from fcn.classes import Classes
from fcn.config import Config, changed_keys, load_config
from fcn.data.pipeline import training_dataset
from fcn.data.stream import TrainingStream
from fcn.data.voc import (
    Example,
    check_copies,
    check_disjoint,
    check_examples,
    read_classes,
    read_split,
)
from fcn.errors import DataError, OutputError, RunError
from fcn.evaluation import Evaluation, evaluate_examples, label_agreement
from fcn.files import write_json, write_text
from fcn.inference.predictor import Predictor
from fcn.models.factory import build_model
from fcn.models.fcn import FCN
from fcn.report import write_report
from fcn.run import RunFolder, load_model
from fcn.training.callbacks import FreshLoss, Logger, ProgressReport, StopOnNonFiniteLoss
from fcn.training.checkpoint import restore_training
from fcn.training.keeper import Keeper, SaveWhenStopped
from fcn.training.log import TrainingLog
from fcn.training.loss import VoidCrossentropy
from fcn.training.optimizer import build_optimizer, build_schedule
from fcn.training.start import load_start, start_from

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
    """

    run: RunFolder
    evaluation: Evaluation
    classes: Classes


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

    keras.utils.set_random_seed(config.train.seed)
    if run.last.exists():
        model = _compiled(load_model(run.last), config)
        start_step = restore_training(model, run.last, classes)
    else:
        model, start_step = _compiled(_begin_model(config, classes, val_examples), config), 0
    try:
        _begin_run(run, config)
        stream = TrainingStream(train_examples, len(classes.names), config.augmentation, config.train.seed)
        keeper = _take_steps(run, config, model, stream, val_examples, start_step, callbacks)
    except OutputError as error:
        raise OutputError(f"{error} A training that had begun goes on with --resume.") from error
    predictor, evaluation = keeper.predictor, keeper.best
    if evaluation is None or evaluation is not keeper.latest:  # an earlier checkpoint is the best
        predictor = Predictor(run.path)
        evaluation = evaluation or evaluate_examples(predictor, val_examples)
    write_report(run, predictor, evaluation, config.data.val_split)
    return TrainingResult(run, evaluation, classes)


def _take_steps(
    run: RunFolder,
    config: Config,
    model: FCN,
    stream: TrainingStream,
    val_examples: Sequence[Example],
    start_step: int,
    callbacks: Sequence[keras.callbacks.Callback],
) -> Keeper:
    """Takes all steps from `start_step` on, with everything that happens between them."""
    settings, schedule = config.train, build_schedule(config.train)
    log = TrainingLog(run.log, run.events, start_step)
    keeper = Keeper(run, config, Predictor(model), val_examples, log, schedule)
    progress = ProgressReport(settings.steps, start_step, settings.batch_size)
    stopped = SaveWhenStopped(keeper)
    ordered = [
        FreshLoss(),
        StopOnNonFiniteLoss(schedule),
        Logger(log, schedule, settings),
        progress,
        keeper,
        stopped,
        *callbacks,
    ]
    dataset = training_dataset(stream, settings.batch_size, start_step, settings.steps)
    steps = settings.steps - start_step
    try:
        if steps > 0:
            model.fit(dataset, steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=ordered)
        else:  # all steps were taken; what follows the last one may be missing
            for callback in ordered:
                callback.set_model(model)
                callback.on_train_begin()
    except tf.errors.OpError:
        if stream.error is None:
            raise
        raise DataError(f"{stream.error} Then go on with --resume.") from None
    finally:
        for closing in (log, progress, stopped):
            closing.close()
    return keeper


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
    digests = check_examples([*train_examples, *val_examples], len(classes.names))
    check_copies(train_examples, val_examples, digests)
    return classes, train_examples, val_examples


def _begin_run(run: RunFolder, config: Config) -> None:
    versions = {
        "fcn": fcn.__version__,
        "git_hash": _git_hash(),
        "python": platform.python_version(),
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "gpus": [device.name for device in tf.config.list_physical_devices("GPU")],
    }
    write_json(run.environment, versions)
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
        options = config.model.model_dump(exclude={"weights"})
        return build_model(
            num_classes=len(classes.names), class_names=classes.names, palette=classes.palette, **options
        )
    source, has_scores = load_start(weights)
    start = start_from(source, has_scores, config.model, classes)
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


def _compiled(model: FCN, config: Config) -> FCN:
    # XLA is off: on a CPU it makes transposed convolutions many times slower.
    model.compile(optimizer=build_optimizer(config.train), loss=VoidCrossentropy(), jit_compile=False)
    return model
