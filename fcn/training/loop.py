"""One training, from a configuration to a run folder."""

import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

import fcn
from fcn.classes import Classes
from fcn.config import Config, changed_keys
from fcn.data.pipeline import training_dataset
from fcn.data.stream import TrainingStream
from fcn.data.voc import Example, check_disjoint, check_examples, read_classes, read_split
from fcn.errors import RunError
from fcn.evaluation import Evaluation, evaluate_examples
from fcn.files import write_json, write_text
from fcn.inference.predictor import Predictor
from fcn.models.factory import build_model
from fcn.models.fcn import FCN
from fcn.report import write_report
from fcn.run import RunFolder
from fcn.training.callbacks import (
    FreshLoss,
    Keeper,
    Logger,
    ProgressReport,
    SaveOnTermination,
    StopOnNonFiniteLoss,
)
from fcn.training.checkpoint import restore_training
from fcn.training.log import TrainingLog
from fcn.training.loss import VoidCrossentropy
from fcn.training.optimizer import build_optimizer, build_schedule

# What may differ between a run and its resumption: it changes when things are written, not what is learned.
_FREE_KEYS = ("train.log_steps", "train.checkpoint_steps", "train.evaluate_steps", "data.root")


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
    config: Config,
    run_path: Path | str,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult:
    """Trains a net and writes a run folder.

    Args:
        config: What to do.
        run_path: Where to write.
        resume: Whether to go on at the last checkpoint of a run that is already there.
        callbacks: Further Keras callbacks.

    Raises:
        DataError: If any image or label of the data set cannot be used.
        NonFiniteLossError: If the loss is no longer a number.
        OutputError: If the folder cannot be written to or the disk is full.
        RunError: If there is a run already, or the one to resume had another configuration.
    """
    run = RunFolder(Path(run_path))
    _check_run(run, config, resume)
    classes, train_examples, val_examples = _read_data(config)
    _begin_run(run, config)

    keras.utils.set_random_seed(config.train.seed)
    model = _build(config, classes)
    start_step = restore_training(model, run.last) if run.last.exists() else 0
    log = TrainingLog(run.log, run.events, start_step)
    predictor = Predictor(model)
    keeper = Keeper(run, config, predictor, val_examples, log)
    settings, schedule = config.train, build_schedule(config.train)
    closing = (
        ProgressReport(settings.steps, start_step, settings.batch_size),
        SaveOnTermination(run),
    )
    try:
        stream = TrainingStream(train_examples, len(classes.names), config.augmentation, settings.seed)
        _fit(
            model,
            training_dataset(stream, settings.batch_size, start_step, settings.steps),
            settings.steps - start_step,
            [
                FreshLoss(),
                StopOnNonFiniteLoss(schedule),
                Logger(log, schedule, settings),
                *closing,
                keeper,
                *callbacks,
            ],
        )
    finally:
        log.close()
        for callback in closing:
            callback.close()
    evaluation = keeper.best
    if keeper.best is not keeper.latest or evaluation is None:  # an earlier checkpoint is the best
        predictor = Predictor(run.path)
        evaluation = evaluation or evaluate_examples(predictor, val_examples)
    write_report(run, predictor, evaluation, config.data.val_split)
    return TrainingResult(run, evaluation, classes)


def _fit(
    model: FCN, dataset: tf.data.Dataset, steps: int, callbacks: Sequence[keras.callbacks.Callback]
) -> None:
    if steps > 0:
        model.fit(dataset, steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=list(callbacks))
        return
    for callback in callbacks:  # all steps were taken; what follows the last one may be missing
        callback.set_model(model)
        callback.on_train_begin()


def _check_run(run: RunFolder, config: Config, resume: bool) -> None:
    if not run.exists():
        if run.path.is_dir() and any(run.path.iterdir()):
            raise RunError(f"{run.path}: holds other files, and no run. Choose another folder with --run.")
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
    git_hash = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    ).stdout.strip()
    versions = {
        "fcn": fcn.__version__,
        "git_hash": git_hash or None,
        "python": platform.python_version(),
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "gpus": [device.name for device in tf.config.list_physical_devices("GPU")],
    }
    write_json(run.environment, versions)
    write_text(run.config, config.to_yaml())


def _build(config: Config, classes: Classes) -> FCN:
    model = build_model(
        num_classes=len(classes.names),
        class_names=classes.names,
        palette=classes.palette,
        **config.model.model_dump(exclude={"weights"}),
    )
    # XLA is off: on a CPU it makes transposed convolutions many times slower.
    model.compile(optimizer=build_optimizer(config.train), loss=VoidCrossentropy(), jit_compile=False)
    return model
