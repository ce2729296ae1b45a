"""The runs of a comparison: which exist already, and which have to be trained or resumed."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fcn.classes import Classes
from fcn.comparison.candidates import Candidate
from fcn.config.file import Config
from fcn.data.balance import class_weights
from fcn.errors import DataError, FcnError, RunError
from fcn.models.net import SegmentationNet
from fcn.runs.configured_net import build_configured
from fcn.runs.lineage import find_run
from fcn.runs.log import read_log
from fcn.runs.model_file import RunFolder, load_model
from fcn.runs.progress import finished_step
from fcn.training.changes import changed_learning, lengths_before
from fcn.training.compiling import compile_net
from fcn.training.loop import train
from fcn.training.run_check import check_place, check_weights
from fcn.training.start import load_start, start_from, start_weights
from fcn.training.teacher import load_teacher


def check_starts(candidates: Sequence[Candidate]) -> None:
    """Downloads the weights that trainings start from, or checks that there are some.

    Args:
        candidates: The nets; those with a checkpoint need no weights.

    Raises:
        RunError: If weights are missing. It names the net.
    """
    for one in candidates:
        if one.config is not None:
            try:
                check_weights(RunFolder(one.path), one.config)
            except FcnError as error:
                raise _not_trained(one, error) from error


def open_candidate(
    candidate: Candidate, classes: Classes, trust: bool = False, rungs: Sequence[int] = ()
) -> SegmentationNet:
    """Returns a net to inspect, loaded or newly built, and checks that it can take part.

    Args:
        candidate: The net.
        classes: Of the data set.
        trust: Whether to load also a model with parts that could run code.
        rungs: Steps of the rungs in which it is trained; empty if it is trained at once.

    Raises:
        ConfigError: If its run exists and cannot be read.
        DataError: If it has other classes.
        RunError: If the model does not exist, if its run was trained with another configuration, or if the
            net cannot be trained with its own.
    """
    if candidate.config is not None:
        _check_run(RunFolder(candidate.path), candidate, rungs)
        if RunFolder(candidate.path).checkpoints():  # it was trained before, so it can be
            return build_configured(candidate.config, classes)
        try:
            return _compile_new(candidate.config, classes, trust)
        except FcnError as error:
            raise _not_trained(candidate, error) from error
    net = load_model(candidate.path, trust)
    if net.classes.names != classes.names:
        raise DataError(
            f"{candidate.path}: expected a net with the classes of the data set: {', '.join(classes.names)}. "
            f"Received: {', '.join(net.classes.names)}. Leave it out, or choose another data set with --data."
        )
    return net


def is_finished(candidate: Candidate) -> bool:
    """Returns whether a net needs no more training."""
    if candidate.config is None:
        return True
    return finished_step(RunFolder(candidate.path), candidate.config) is not None


def has_passed(candidate: Candidate, steps: int) -> bool:
    """Returns whether a net needs no more training in a rung, also because it is in a later one."""
    run = RunFolder(candidate.path)
    if run.exists() and run.load_config().train.steps > steps:
        return True
    return is_finished(candidate.trained_for(steps))


def best_score(candidate: Candidate, steps: int) -> float:
    """Returns the highest mean IoU in a net's log within its first steps; NaN if there is none."""
    rows = read_log(RunFolder(candidate.path).log)
    scores = [float(row["mean_iou"]) for row in rows if row["mean_iou"] and int(row["step"]) <= steps]
    return max((score for score in scores if not math.isnan(score)), default=math.nan)


def finish(candidate: Candidate, trust: bool = False) -> None:
    """Trains a net, or resumes its training.

    Args:
        candidate: The net.
        trust: Whether to load also weights from a model with parts that could run code.

    Raises:
        FcnError: As `fcn.training.loop.train` does.
    """
    if candidate.config is not None:
        train(candidate.config, candidate.path, resume=RunFolder(candidate.path).exists(), trust=trust)


def config_of(candidate: Candidate) -> Config | None:
    """Returns the configuration that a net was trained with; None for a model without a run."""
    if candidate.config is not None:
        return candidate.config
    run = find_run(candidate.path)
    return run.load_config() if run is not None else None


def training_cost(candidate: Candidate) -> tuple[int | None, float | None]:
    """Returns how many steps a net was trained and the seconds that took, from its log.

    The seconds include scoring of the validation split. Both are None for a model without a run.
    """
    run = find_run(candidate.path)
    rows = [] if run is None else read_log(run.log)
    steps = max((int(row["step"]) for row in rows), default=None)
    seconds = [float(row["elapsed_seconds"]) for row in rows if row["elapsed_seconds"]]
    return steps, max(seconds, default=None)


def _not_trained(candidate: Candidate, error: FcnError) -> RunError:
    return RunError(f"{candidate.name}: cannot be trained. {error.args[0]}", *error.args[1:])


def _check_run(run: RunFolder, candidate: Candidate, rungs: Sequence[int]) -> None:
    config = candidate.config
    if config is None:
        return
    if not run.exists():
        check_place(run)
        return
    saved = run.load_config()
    changed = _changed_lengths(run, saved.train.steps, rungs)
    if rungs:
        config = candidate.trained_for(saved.train.steps).config or config
    changed += changed_learning(saved, config)
    for key, before, now in (
        ("data.root", saved.data.root, config.data.root),
        ("model.weights", saved.model.weights, config.model.weights),
        ("train.teacher", saved.train.teacher, config.train.teacher),
        ("data.unlabeled", saved.data.unlabeled, config.data.unlabeled),
    ):
        is_same = None not in (before, now) and Path(str(before)).resolve() == Path(str(now)).resolve()
        if before != now and not is_same:
            changed.append(f"{key}: {before} -> {now}")
    if changed:
        raise RunError(
            f"{run.path}: was trained with another configuration ({'; '.join(changed)}). Restore these "
            "values, or choose another folder: --output DIR. Nothing was changed."
        )


def _changed_lengths(run: RunFolder, steps: int, rungs: Sequence[int]) -> list[str]:
    """Returns how the lengths that a run had differ from those of the rungs up to its present one."""
    if not rungs:
        return []
    # A length may be recorded as one before while it is still that of the configuration.
    lengths = list(dict.fromkeys([*lengths_before(run), steps]))
    if lengths == list(rungs[: len(lengths)]):
        return []
    return [f"train.steps: {_in_turn(lengths)} -> {_in_turn(rungs)}"]


def _in_turn(lengths: Sequence[int]) -> str:
    return ", then ".join(map(str, lengths))


def _compile_new(config: Config, classes: Classes, trust: bool) -> SegmentationNet:
    """Builds and compiles a net as its training will, so that a mistake shows before any net is trained."""
    weights = config.model.weights
    if weights == "none":
        net = build_configured(config, classes)
    else:
        source, has_scores, missing = load_start(start_weights(config.model), trust)
        net = start_from(source, has_scores, config.model, classes, missing=missing).model
    any_pixels = np.ones((1, len(classes.names)), np.int64)  # the data set is read when the training starts
    compile_net(net, config, class_weights(config.loss, any_pixels))
    if config.train.teacher is not None:
        load_teacher(config.train.teacher, config, classes, trust)
    return net
