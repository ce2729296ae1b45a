"""One training, from a configuration to a run folder."""

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import keras

from fcn.classes import VOID, Classes
from fcn.config.file import Config, changed_keys, load_config
from fcn.data.balance import class_weights
from fcn.data.stream import TrainingStream
from fcn.data.voc import (
    Example,
    check_copies,
    check_disjoint,
    check_examples,
    read_classes,
    read_split,
)
from fcn.errors import OutputError, RunError
from fcn.evaluation.evaluate import Evaluation, evaluate_examples, label_agreement
from fcn.inference.predictor import Predictor
from fcn.models.net import SegmentationNet
from fcn.report import write_report
from fcn.runs.configured_net import build_configured
from fcn.runs.lineage import TrainingSplit
from fcn.runs.model_file import RunFolder, load_model
from fcn.system.files import partial_files, write_durably, write_json
from fcn.training import devices
from fcn.training.average import copy_of
from fcn.training.checkpoint import Position, find_checkpoint, remove_partial_files, restore_training
from fcn.training.compiling import compile_net
from fcn.training.consensus import StopConsensus, stop_together
from fcn.training.lock import only_training
from fcn.training.precision import computing_in, usable_precision
from fcn.training.schedule import describe_summed_loss
from fcn.training.session import Session
from fcn.training.start import load_start, start_from

# Enough to see that a net continues another one, few enough not to wait for.
_AGREEMENT_IMAGES = 10
# Enough to know the size of an image to some percent.
_SAMPLE = 50
# What may differ between a run and its resumption: it changes when things are written, not what is learned.
_FREE_KEYS = (
    "train.log_steps",
    "train.checkpoint_steps",
    "train.checkpoint_minutes",
    "train.keep_checkpoints",
    "train.devices",
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
        training: What they were learned from; of several processes, only the first says what the weights it
            started from were trained on.
        data_wait: Share of the time of all steps that was spent waiting for examples, 0 to 1.
    """

    run: RunFolder
    evaluation: Evaluation
    classes: Classes
    training: TrainingSplit
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
        callbacks: Further Keras callbacks. They see one epoch of all batches that are left, and the loss of
            each as `logs["loss"]`; scores are in `log.csv`.

    Raises:
        ConfigError: If the configuration cannot be read.
        DataError: If any image or label of the data set cannot be used.
        NonFiniteLossError: If the loss is no longer a number.
        OutputError: If the folder cannot be written to or the disk is full.
        RunError: If there is a run already, or the one to resume had another configuration or is being
            trained by another process.
    """
    if not isinstance(config, Config):
        config = load_config(Path(config))
    run = RunFolder(Path(run_path))
    with stop_together() as consensus:
        check_place(run)
        with only_training(run) if devices.is_main_process() else nullcontext():
            _check_run(run, config, resume)
            return _train(config, run, callbacks, consensus)


def _train(
    config: Config,
    run: RunFolder,
    callbacks: Sequence[keras.callbacks.Callback],
    consensus: StopConsensus,
) -> TrainingResult:
    classes, train_examples, val_examples, content = _read_data(config)

    keras.utils.set_random_seed(config.train.seed)
    if devices.is_main_process():
        remove_partial_files(run)
        checkpoint = find_checkpoint(run)
    devices.barrier("before anything is written")
    if not devices.is_main_process():  # the last checkpoint is whole by now
        checkpoint = find_checkpoint(run)
    precision = usable_precision(config.train.precision, config.augmentation.crop_size)
    with computing_in(precision), devices.scope(config):
        model = load_model(checkpoint) if checkpoint else _begin_model(config, classes, val_examples)
        compile_net(model, config, class_weights(config.loss, train_examples, len(classes.names)))
        average = None if config.train.ema is None else copy_of(model)
        position = restore_training(model, checkpoint, classes, average) if checkpoint else Position(0)
        if position.data not in ("", content):
            raise RunError(
                f"{run.path}: was begun with other training images, or in another order, than "
                f"{config.data.train_split} of {config.data.root} has now. Restore them, or begin "
                "another run: --run NAME."
            )
        position = position._replace(data=content)
        try:
            stream = TrainingStream(
                train_examples, len(classes.names), config.augmentation, config.train.seed
            )
            if devices.is_main_process():
                _begin_run(run, config, stream)
            session = Session(run, config, model, average, val_examples, stream, position, consensus)
            session.take_steps(callbacks)
        except OutputError as error:
            raise OutputError(f"{error} A training that had begun goes on with --resume.") from error
    if session.checkpoints:
        predictor, evaluation = session.predictor, session.checkpoints.best
        if (
            evaluation is None or evaluation is not session.checkpoints.latest
        ):  # an earlier checkpoint is the best
            predictor = Predictor(run.path)
            evaluation = evaluation or evaluate_examples(predictor, val_examples)
        write_report(run, predictor, evaluation, config.data.val_split)
        devices.barrier("after everything is written")
    else:
        devices.barrier("after everything is written")
        evaluation = evaluate_examples(Predictor(run.path), val_examples)
    devices.barrier("before any of them ends")  # the others would be ended some minutes after the first
    return TrainingResult(run, evaluation, classes, session.training, session.wait.share)


def _labeled_pixels(stream: TrainingStream) -> float:
    """Returns how many labeled pixels an item has, on average over the first ones."""
    count = min(_SAMPLE, len(stream.examples))
    return sum(int((stream[index][1] != VOID).sum()) for index in range(count)) / count


def check_place(run: RunFolder) -> None:
    """Refuses a folder that holds other files, and no run.

    Raises:
        RunError: If it does.
    """
    if not run.exists() and run.path.exists() and (not run.path.is_dir() or not _is_empty(run)):
        raise RunError(f"{run.path}: holds other files, and no run. Choose another folder with --run.")


def _check_run(run: RunFolder, config: Config, resume: bool) -> None:
    if not run.exists():
        if resume:
            print(f"There is no run at {run.path} yet; it begins with step 1.", file=sys.stderr)
        return
    if not resume:
        raise RunError(
            f"{run.path}: holds a run already. Go on with it: --resume. Begin another: --run NAME. "
            "Begin this one anew: delete the folder first."
        )
    if changed := changed_learning(run.load_config(), config):
        raise RunError(
            f"{run.path}: was begun with another configuration ({'; '.join(changed)}). Set these keys "
            "back to go on with it, or begin another run: --run NAME."
        )


def changed_learning(saved: Config, wanted: Config) -> list[str]:
    """Returns "section.key: saved -> wanted" for each value without which something else is learned.

    Where data and the weights to start from lie does not count: both may have been moved.
    """
    return [text for text in changed_keys(saved, wanted) if not text.startswith(_FREE_KEYS)]


def _is_empty(run: RunFolder) -> bool:
    """Returns whether a folder holds nothing, or only what a training writes first, be it killed or not."""
    return set(run.path.iterdir()) <= {run.environment, run.lock, *partial_files(run.path)}


def _read_data(config: Config) -> tuple[Classes, list[Example], list[Example], str]:
    root = config.data.root
    classes = read_classes(root)
    train_examples = read_split(root, config.data.train_split)
    val_examples = read_split(root, config.data.val_split)
    check_disjoint(train_examples, val_examples, root)
    digests = check_examples([*train_examples, *val_examples], len(classes.names))
    check_copies(train_examples, val_examples, digests)
    content = hashlib.sha256(b"".join(digests[: len(train_examples)])).hexdigest()
    return classes, train_examples, val_examples, content


def _begin_run(run: RunFolder, config: Config, stream: TrainingStream) -> None:
    environment = devices.describe() | {"git_hash": _git_hash()}
    if config.loss.reduction == "sum":
        environment["loss"] = describe_summed_loss(config, _labeled_pixels(stream))
        print(environment["loss"], file=sys.stderr)
    write_durably(run.config, config.to_yaml())
    write_json(run.environment, environment)


def _git_hash() -> str | None:
    """Returns the commit this package is checked out at; None where it is installed or git is missing."""
    root = Path(__file__).parents[2]
    command = ["git", "rev-parse", "--show-toplevel", "HEAD"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return None
    top, _, commit = done.stdout.strip().partition("\n")
    return commit if commit and Path(top).resolve() == root.resolve() else None


def _begin_model(config: Config, classes: Classes, val_examples: Sequence[Example]) -> SegmentationNet:
    """Builds the net with the weights it starts from, and says how it fits the one they came from."""
    weights = config.model.weights
    if weights == "none":
        return build_configured(config, classes)
    source, has_scores = load_start(weights)
    start = start_from(source, has_scores, config.model, classes)
    print(f"Starting from {weights}: {start.describe()}.", file=sys.stderr)
    if has_scores and not start.reinitialized:
        examples = val_examples[:_AGREEMENT_IMAGES]
        agreement = label_agreement(Predictor(source), Predictor(start.model), examples)
        print(
            f"Before the first step it agrees with {weights} on {agreement:.2%} of the pixels of "
            f"{len(examples)} images.",
            file=sys.stderr,
        )
    return start.model
