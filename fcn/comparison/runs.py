"""The runs of a comparison: which are there already, and which have to be trained or trained on."""

from pathlib import Path

from fcn.classes import Classes
from fcn.comparison.plan import Candidate
from fcn.config.file import Config
from fcn.data.balance import class_weights
from fcn.errors import DataError, FcnError, RunError
from fcn.models.net import SegmentationNet
from fcn.runs.configured_net import build_configured
from fcn.runs.lineage import find_run
from fcn.runs.log import read_log
from fcn.runs.model_file import RunFolder, load_model
from fcn.training.checkpoint_callback import scored_steps
from fcn.training.compiling import compile_net
from fcn.training.loop import changed_learning, check_place, train
from fcn.training.start import load_start, start_from

_WITHOUT_FILE = ("none", "imagenet")


def open_candidate(candidate: Candidate, classes: Classes) -> SegmentationNet:
    """Returns a net to look at, as it is or before its first step, and checks that it can take part.

    Args:
        candidate: The net.
        classes: Of the data set.

    Raises:
        ConfigError: If its run is there and cannot be read.
        DataError: If it tells other classes apart.
        RunError: If there is no such model, if its run was trained otherwise, or if it cannot be trained as
            its configuration says.
    """
    if candidate.config is not None:
        _check_run(RunFolder(candidate.path), candidate.config)
        if RunFolder(candidate.path).checkpoints():  # it has begun, so it can
            return build_configured(candidate.config, classes)
        try:
            return _begin(candidate.config, classes)
        except FcnError as error:
            raise RunError(f"{candidate.name}: cannot be trained. {error}") from error
    net = load_model(candidate.path)
    if net.classes.names != classes.names:
        raise DataError(
            f"{candidate.path}: expected a net of the data set's classes: {', '.join(classes.names)}. "
            f"Received: {', '.join(net.classes.names)}. Leave it out, or choose another data set with --data."
        )
    return net


def is_finished(candidate: Candidate) -> bool:
    """Returns whether nothing of a net is left to train."""
    if candidate.config is None:
        return True
    run = RunFolder(candidate.path)
    return run.best.exists() and candidate.config.train.steps in scored_steps(run.log)


def finish(candidate: Candidate) -> None:
    """Trains a net, or trains it on where that was interrupted.

    Raises:
        FcnError: As `fcn.training.loop.train` does.
    """
    if candidate.config is not None:
        train(candidate.config, candidate.path, resume=RunFolder(candidate.path).exists())


def config_of(candidate: Candidate) -> Config | None:
    """Returns how a net was trained; None for a model of no run."""
    if candidate.config is not None:
        return candidate.config
    run = find_run(candidate.path)
    return run.load_config() if run is not None else None


def training_cost(candidate: Candidate) -> tuple[int | None, float | None]:
    """Returns how many steps a net was trained, and the seconds that took, as its log says.

    The seconds include those in which the validation split was scored. Both are None for a model of no run.
    """
    run = find_run(candidate.path)
    rows = [] if run is None else read_log(run.log)
    steps = max((int(row["step"]) for row in rows), default=None)
    seconds = [float(row["elapsed_seconds"]) for row in rows if row["elapsed_seconds"]]
    return steps, max(seconds, default=None)


def _check_run(run: RunFolder, config: Config) -> None:
    weights = config.model.weights
    if weights not in _WITHOUT_FILE and not Path(weights).exists():
        raise RunError(f"model.weights={weights}: no such run or file to start from.")
    if not run.exists():
        check_place(run)
        return
    saved = run.load_config()
    changed = changed_learning(saved, config)
    for key, before, now in (
        ("data.root", saved.data.root, config.data.root),
        ("model.weights", saved.model.weights, weights),
    ):
        if str(before) != str(now) and Path(before).resolve() != Path(now).resolve():
            changed.append(f"{key}: {before} -> {now}")
    if changed:
        raise RunError(
            f"{run.path}: was trained with another configuration ({'; '.join(changed)}). Set these back, or "
            "train into another folder: --output DIR. Nothing was changed."
        )


def _begin(config: Config, classes: Classes) -> SegmentationNet:
    """Builds and compiles a net as its training does, where a mistake would end all that come after it."""
    weights = config.model.weights
    if weights == "none":
        net = build_configured(config, classes)
    else:
        net = start_from(*load_start(weights), config.model, classes).model
    measured = config.loss.class_weights == "median_frequency"
    counts = None if measured else class_weights(config.loss, [], len(classes.names))
    compile_net(net, config, counts)
    return net
