"""The runs of a comparison: which are there already, and which have to be trained or trained on."""

from pathlib import Path

from fcn.comparison.plan import Entrant
from fcn.config import Config
from fcn.errors import DataError, RunError
from fcn.evaluation import find_run
from fcn.inspection.source import build_net
from fcn.log_file import read_log
from fcn.models.net import SegmentationNet
from fcn.run import RunFolder, load_model
from fcn.training.keeper import scored_steps
from fcn.training.loop import changed_learning, check_place, train

_WITHOUT_FILE = ("none", "imagenet")


def open_net(entrant: Entrant, class_names: tuple[str, ...]) -> SegmentationNet:
    """Returns a net to look at, with new weights if it is to be trained, and checks that it can take part.

    Args:
        entrant: The net.
        class_names: Of the data set.

    Raises:
        ConfigError: If its run is there and cannot be read.
        DataError: If it tells other classes apart.
        RunError: If there is no such model, if its run was trained otherwise, or if what it starts from is
            missing.
    """
    if entrant.config is not None:
        _check_run(RunFolder(entrant.path), entrant.config)
        return build_net(entrant.config)
    net = load_model(entrant.path)
    if net.classes.names != class_names:
        raise DataError(
            f"{entrant.path}: expected a net of the data set's classes: {', '.join(class_names)}. "
            f"Received: {', '.join(net.classes.names)}. Leave it out, or choose another data set with --data."
        )
    return net


def is_finished(entrant: Entrant) -> bool:
    """Returns whether nothing of a net is left to train."""
    if entrant.config is None:
        return True
    run = RunFolder(entrant.path)
    return run.best.exists() and entrant.config.train.steps in scored_steps(run.log)


def finish(entrant: Entrant) -> None:
    """Trains a net, or trains it on where that was interrupted.

    Raises:
        FcnError: As `fcn.training.loop.train` does.
    """
    if entrant.config is not None:
        train(entrant.config, entrant.path, resume=RunFolder(entrant.path).exists())


def config_of(entrant: Entrant) -> Config | None:
    """Returns how a net was trained; None for a model of no run."""
    if entrant.config is not None:
        return entrant.config
    run = find_run(entrant.path)
    return run.load_config() if run is not None else None


def effort(entrant: Entrant) -> tuple[int | None, float | None]:
    """Returns how many steps a net was trained, and the seconds that took, as its log says.

    The seconds include those in which the validation split was scored. Both are None for a model of no run.
    """
    run = find_run(entrant.path)
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
