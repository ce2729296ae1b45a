"""One training from top to bottom: data, net, callbacks, `fit`, report."""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import keras

from fcn.config.file import Config, as_config, load_saved_config
from fcn.data.balance import class_weights
from fcn.errors import DataError, OutputError, RunError
from fcn.evaluation.evaluate import evaluate_examples
from fcn.evaluation.evaluation import Evaluation
from fcn.inference.predictor import Predictor
from fcn.labels.unlabeled import find_unlabeled
from fcn.labels.validation_split import check_lists, record_division
from fcn.report import write_report
from fcn.runs.model_file import RunFolder, load_model
from fcn.runs.progress import finished_step
from fcn.system.files import remove
from fcn.system.remedies import resume_run
from fcn.system.text import print_notice
from fcn.training import devices
from fcn.training.average import copy_of
from fcn.training.callback_list import build_callbacks
from fcn.training.callbacks import DataWait
from fcn.training.changes import check_steps, record_changes
from fcn.training.checked_data import CheckedData, read_checked
from fcn.training.checkpoint import (
    PIXEL_ORDER,
    Position,
    find_common_checkpoint,
    restore_training,
    saved_accumulate,
    saved_class_names,
)
from fcn.training.checkpoint_callback import CheckpointCallback
from fcn.training.compiling import compile_again, compile_net
from fcn.training.consensus import StopConsensus, stop_together
from fcn.training.data_record import record_of, trained_on, warn
from fcn.training.distillation import learner_of
from fcn.training.first_lines import first_lines
from fcn.training.hours import with_measured_steps
from fcn.training.length import describe_end, describe_stall
from fcn.training.lock import only_training
from fcn.training.loggers.external import ExternalLoggers, check_packages
from fcn.training.precision import computing_in, usable_precision
from fcn.training.result import TrainingResult as TrainingResult
from fcn.training.run_check import (
    check_data,
    check_orientation,
    check_place,
    check_run,
    check_unlabeled,
    check_weights,
)
from fcn.training.run_start import write_start
from fcn.training.sampling import measure_shares, open_stream
from fcn.training.session import Session
from fcn.training.start import new_model
from fcn.training.step_callback import StepDispatcher, WholeSteps
from fcn.training.steps import describe_epochs, with_recorded_steps, with_steps
from fcn.training.teacher import keep_teacher, open_teacher
from fcn.training.unpacking import open_unpacked
from fcn.training.validations import Validations


def train(
    config: Config | Mapping[str, Mapping[str, Any]] | Path | str | None,
    run_path: Path | str,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    trust: bool = False,
    overrides: Sequence[str] = (),
) -> TrainingResult:
    """Trains a net and writes a run folder.

    Args:
        config: How to train: a configuration, its sections as dictionaries, the path of a YAML file, or the
            name of a recipe that comes with this package; None: as the run that is resumed.
        run_path: Where to write.
        resume: Whether to resume a run that is there from its last checkpoint.
        callbacks: Further Keras callbacks, in every process. They see each batch with its loss as
            `logs["loss"]`, and as epochs what lies between validations: `on_epoch_end` has the mean loss and
            "val_loss", "val_mean_iou" and the other scores, so that
            `keras.callbacks.EarlyStopping("val_mean_iou", mode="max")` works. Of several processes only the
            first sees epochs, and all end when one of them asks for it.
        trust: Whether to start also from a `.keras` file with parts that could run code.
        overrides: Changes of the configuration, "section.key=value" each, as after `--set`.

    Raises:
        ConfigError: If the configuration cannot be read.
        DataError: If any image or label of the data set cannot be used.
        NonFiniteLossError: If the loss is NaN or infinite.
        OutputError: If the folder cannot be written to or the disk is full.
        RunError: If there is a run already, or the one to resume had another configuration or is being
            trained by another process.
    """
    run = RunFolder(Path(run_path))
    if config is None:
        if not (resume and run.exists()):
            raise RunError(f"{run.path}: holds no run to resume. Expected a configuration to start one.")
        config = load_saved_config(run.config, overrides)
    began = time.monotonic()
    given = as_config(config, overrides)
    config = with_steps(given)
    if given.train.epochs is not None and devices.is_main_process():
        print_notice(describe_epochs(given, config.train.steps))
    if resume:
        config = with_recorded_steps(config, run)
    check_packages(config.train.log)
    with stop_together() as consensus:
        check_place(run)
        with only_training(run) if devices.is_main_process() else nullcontext():
            check_run(run, config, resume)
            check_orientation(run, config)
            if devices.is_main_process() and (ended := describe_end(run, config)):
                print_notice(*ended)
            check_lists(config.data, run)
            find_unlabeled(config.data)
            check_weights(run, config)
            data = read_checked(config.data, saved_class_names(run))
            if data.is_divided and devices.is_main_process():
                record_division(run, config.data, data.train_examples, data.val_examples)
            config = with_measured_steps(config, data, run, began)
            with ExternalLoggers(config.train.log if devices.is_main_process() else (), run) as loggers:
                return train_checked(config, data, run, callbacks, consensus, loggers, trust)


def train_checked(
    config: Config,
    data: CheckedData,
    run: RunFolder,
    callbacks: Sequence[keras.callbacks.Callback],
    consensus: StopConsensus,
    loggers: ExternalLoggers,
    trust: bool = False,
) -> TrainingResult:
    """Trains a net as `train` does, with data that were checked and a number of steps.

    Args:
        config: How to train.
        data: Its data.
        run: Where to write; a run that is there is resumed.
        callbacks: As of `train`.
        consensus: What the processes of the training agree on.
        loggers: Other loggers of the training.
        trust: As of `train`.

    Raises:
        FcnError: As `train` does.
    """
    keras.utils.set_random_seed(config.train.seed)
    before = run.load_config() if run.exists() else config
    checkpoint = find_common_checkpoint(run)
    precision = usable_precision(config.train.precision, config.augmentation.crop_size)
    with computing_in(precision), devices.scope(config):
        if checkpoint:
            model, has_scores = load_model(checkpoint, trust), True
            model.temperatures = None  # which were fitted to weights that change now
        else:
            model, has_scores = new_model(config, data.classes, data.val_examples, trust)
        weights = class_weights(config.loss, data.train_pixels)
        accumulate = (
            saved_accumulate(checkpoint, before.train.accumulate) if checkpoint else config.train.accumulate
        )
        compile_net(model, config.with_values("train", accumulate=accumulate), weights)
        average = None if config.train.ema is None else copy_of(model)
        position = Position(0)
        if checkpoint:
            position = restore_training(model, checkpoint, data.classes, average)
            check_data(run, config, position.data, data.digests)
            check_unlabeled(run, config, position.unlabeled, data.unlabeled.digest)
            check_steps(run, config, position.step)
            if accumulate != config.train.accumulate:
                compile_again(model, config, weights, position.step)
        teacher = open_teacher(run, config, data.classes, position, trust)
        config = keep_teacher(config, before, teacher)
        try:
            stream = open_stream(config, data, position, before.train.batch_size)
            record = shares = None
            if devices.is_main_process():
                record_changes(run, before, config, position.step)
                record = record_of(run, config, data, position.data if checkpoint else None, has_scores)
                write_start(run, config, stream, record, teacher)
            if position.step < config.train.steps:
                stream.unpacked = open_unpacked(run, config, data)
            if devices.is_main_process():
                if finished_step(run, config) is None:
                    loggers.start(config)
                shares = measure_shares(config, stream, data.classes)
            training = trained_on(config, data, record)
            session = Session(
                run=run,
                config=config,
                model=model,
                teacher=teacher,
                learner=learner_of(model, teacher, config),
                average=average,
                predictor=Predictor(average or model),
                val_examples=data.val_examples,
                stream=stream,
                train_pixels=data.train_pixels.sum(axis=0),
                val_pixels=data.val_pixels,
                shares=shares,
                training=training,
                warnings=warn(run, training, len(data.val_examples)),
                precision=precision,
                position=position._replace(
                    data=data.digests,
                    pixel_order=PIXEL_ORDER,
                    teacher=teacher.digest if teacher else position.teacher,
                    unlabeled=data.unlabeled.digest,
                ),
                consensus=consensus,
                loggers=loggers,
            )
            if devices.is_main_process() and position.step < config.train.steps:
                print_notice(*first_lines(session))
            checkpoints, data_wait = _fit(session, callbacks)
            if devices.is_main_process():
                remove(run.unpacked)
        except OutputError as error:
            raise OutputError(
                f"{error} If the training had started, resume it: {resume_run(run.path)}"
            ) from error
    evaluation = _report(session, checkpoints)
    devices.barrier("before any process ends")  # JAX ends the others some minutes after the first
    return TrainingResult(run, evaluation, data.classes, training, data_wait, session.warnings)


def _fit(
    session: Session, callbacks: Sequence[keras.callbacks.Callback]
) -> tuple[CheckpointCallback | None, float]:
    """Takes all steps that are left.

    Args:
        session: What to train.
        callbacks: Keras callbacks of the caller.

    Returns:
        The callback that has the evaluations, None in every process but the first; and the share of the time
        that steps waited for examples.

    Raises:
        DataError: If an example cannot be used any more.
        NonFiniteLossError: If the loss is NaN or infinite.
        OutputError: If the run cannot be written to or the disk is full.
    """
    config, stream, start_step = session.config, session.stream, session.position.step
    accumulate = config.train.accumulate
    wait = DataWait(stream, config.train.batch_size // accumulate, start_step * accumulate)
    step_callbacks, checkpoints = build_callbacks(session, wait)
    steps = StepDispatcher(step_callbacks, session)
    try:
        steps.begin()  # also scores what an earlier session has not
        # The log is that of this session now, and the first process alone decides by it.
        ended = finished_step(session.run, config) if devices.is_main_process() else None
        left = 0 if devices.highest(ended or 0) else config.train.steps - start_step
        if ended is not None and ended < config.train.steps:
            print_notice(describe_stall(session.run))
        if left > 0:
            session.learner.fit(
                devices.batches(stream, config, start_step),
                steps_per_epoch=left * accumulate,
                verbose=0,
                shuffle=False,
                callbacks=[wait, steps, Validations(callbacks, steps, checkpoints), WholeSteps(steps)],
            )
            if checkpoints:
                checkpoints.end(steps.step)
    except BaseException as error:
        steps.on_error(error)
        if stream.error is None or error is stream.error:
            raise
        raise DataError(f"{stream.error} Then resume it: {resume_run(session.run.path)}") from None
    finally:
        steps.close()
    return checkpoints, wait.share


def _report(session: Session, checkpoints: CheckpointCallback | None) -> Evaluation:
    """Writes the report, and returns the evaluation of the best checkpoint."""
    run, examples = session.run, session.val_examples
    if checkpoints is None:
        devices.barrier("after everything is written")
        return evaluate_examples(Predictor(run.path), examples)
    predictor, evaluation = session.predictor, checkpoints.best
    if evaluation is None or evaluation is not checkpoints.latest:  # an earlier checkpoint is the best
        predictor = Predictor(run.path)
        evaluation = evaluation or evaluate_examples(predictor, examples)
    split = session.config.data.val_split
    reasons, shares, health = session.warnings, session.shares, checkpoints.health.warnings
    write_report(run, predictor, evaluation, split, warnings=reasons, shares=shares, health=health)
    devices.barrier("after everything is written")
    return evaluation
