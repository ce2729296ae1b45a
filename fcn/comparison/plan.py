"""The plan of a comparison, checked as far as possible without a backend: names, budgets and data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fcn.classes import Classes
from fcn.config.file import Config, is_configuration, load_config
from fcn.config.sections import LabelOrientation
from fcn.data.leaks import check_disjoint
from fcn.data.voc import Example, read_classes, read_split
from fcn.errors import ConfigError, RunError
from fcn.runs.folder import RunFolder, net_file
from fcn.training.length import with_steps

_SPLIT = "val"


class Request(NamedTuple):
    """The arguments of a comparison.

    Attributes:
        sources: Configurations to train, and run folders or `.keras` files to load.
        output: Folder of the trained runs and of what is written about all.
        nets: Train each configuration once for each of these nets; empty for its own net.
        changes: "section.key=value" for every configuration.
        steps: Length of every training; None for the steps in the configurations.
        seed: Random seed of every training; None for the seeds in the configurations.
        data: Data set to train and score on; None for the one in the configurations.
        split: Split to score on; None for the one in the configurations.
    """

    sources: Sequence[Path]
    output: Path
    nets: Sequence[str] = ()
    changes: Sequence[str] = ()
    steps: int | None = None
    seed: int | None = None
    data: Path | None = None
    split: str | None = None


class Candidate(NamedTuple):
    """A net that takes part.

    Attributes:
        name: Its name in tables.
        path: A run folder, which need not exist yet if the net is trained, or a `.keras` file.
        config: How to train it; None for a net that is loaded.
    """

    name: str
    path: Path
    config: Config | None


class Plan(NamedTuple):
    """The nets to compare, and the data to score them on.

    Attributes:
        candidates: The nets, in the order of the table; the others are compared with the first.
        root: The data set, in VOC layout.
        split: Name of the list that is scored.
        classes: Of the data set.
        examples: The split.
        label_orientation: What its labels are of.
    """

    candidates: tuple[Candidate, ...]
    root: Path
    split: str
    classes: Classes
    examples: Sequence[Example]
    label_orientation: LabelOrientation = "upright"


def plan_comparison(request: Request) -> Plan:
    """Returns which nets take part, and checks that they can be compared.

    Raises:
        ConfigError: If a configuration cannot be read, or if two have different budgets.
        DataError: If the data set cannot be used.
        RunError: If a model does not exist, if two nets have the same name, or if no data set is given.
    """
    candidates = _candidates(request)
    trained = {one.name: one.config for one in candidates if one.config is not None}
    for one in candidates:
        if one.config is None:
            net_file(one.path)
    _check_budgets(trained)
    known = trained or _configs_of_runs(candidates)
    if request.data is None:
        _check_data_of_runs(candidates, known)
    roots = {name: config.data.root.resolve() for name, config in known.items()}
    splits = {name: config.data.val_split for name, config in known.items()}
    root = request.data or _same(roots, "data.root", "Choose one data set for all: --data ROOT")
    if root is None:
        raise RunError(
            "--data: is missing, and no model names a data set. Give the one to score on: --data ROOT."
        )
    split = (
        request.split or _same(splits, "data.val_split", "Choose one split for all: --split NAME") or _SPLIT
    )
    lists = {name: config.data.train_split for name, config in trained.items()}
    train_split = _same(lists, "data.train_split", "Set it for all: --set data.train_split=NAME")
    configured = next((config.data.classes for config in known.values() if config.data.classes), None)
    orientations = {name: config.data.label_orientation for name, config in known.items()}
    orientation: LabelOrientation = (
        _same(orientations, "data.label_orientation", "Set the same for all") or "upright"
    )
    classes, examples = read_classes(root, (split,), configured), read_split(root, split, orientation)
    if train_split is not None:
        train_examples = read_split(root, train_split)
        for val_split in sorted(set(splits.values())):
            check_disjoint(train_examples, read_split(root, val_split), root)
    return Plan(candidates, root, split, classes, examples, orientation)


def _candidates(request: Request) -> tuple[Candidate, ...]:
    configs = [source for source in request.sources if is_configuration(source)]
    options = {
        "--nets": request.nets,
        "--set": request.changes,
        "--steps": request.steps,
        "--seed": request.seed,
    }
    idle = [name for name, value in options.items() if value not in (None, (), [])]
    if idle and not configs:
        raise RunError(
            f"{idle[0]}: applies to configurations that are trained, and none is given. Leave it out."
        )
    found = []
    for source in request.sources:
        if source not in configs:
            found.append(Candidate(_name_of(source), source, None))
            continue
        for net in request.nets or (None,):
            name = source.stem if net is None else net if len(configs) == 1 else f"{source.stem}-{net}"
            found.append(Candidate(name, request.output / name, _config(request, source, net)))
    names = [one.name for one in found]
    for one in found:
        if names.count(one.name) > 1:
            raise RunError(
                f"{one.name}: two nets have this name, and tables need different ones. Rename a file or "
                "folder, or leave one out."
            )
    return tuple(found)


def _config(request: Request, source: Path, net: str | None) -> Config:
    """Reads a configuration and applies the changes of the command."""
    values = {"model.net": net, "train.steps": request.steps, "train.seed": request.seed}
    changes = [f"{key}={value}" for key, value in values.items() if value is not None]
    config = load_config(source, [*request.changes, *changes])
    if request.data is not None:
        config = config.model_copy(update={"data": config.data.model_copy(update={"root": request.data})})
    return with_steps(config)


def _name_of(model: Path) -> str:
    path = model.absolute()
    if path.is_file() and path.parent.name == "checkpoints":
        return f"{path.parents[1].name}-{path.stem}"
    return path.name.removesuffix(".keras")


def _check_budgets(trained: Mapping[str, Config]) -> None:
    for key, remedy in (
        ("steps", "--steps N"),
        ("seed", "--seed S"),
        ("batch_size", "--set train.batch_size=N"),
    ):
        values = {name: getattr(config.train, key) for name, config in trained.items()}
        _same(values, f"train.{key}", f"Choose one value for all: {remedy}")


def _same(values: Mapping[str, Any], key: str, remedy: str) -> Any:
    """Returns the value that all nets share; None where there are no nets.

    Args:
        values: By the name of the net.
        key: Their name in a configuration.
        remedy: What to do where they differ.

    Raises:
        ConfigError: If they differ.
    """
    first = next(iter(values.values()), None)
    other = next((name for name, value in values.items() if value != first), None)
    if other is not None:
        raise ConfigError(
            f"{key}: expected the same value for all nets. Received: {first} ({next(iter(values))}) and "
            f"{values[other]} ({other}). {remedy}."
        )
    return first


def _configs_of_runs(candidates: Sequence[Candidate]) -> dict[str, Config]:
    """Returns the configurations of the runs among models that are loaded."""
    runs = {one.name: RunFolder(one.path) for one in candidates if one.config is None}
    return {name: run.load_config() for name, run in runs.items() if run.exists()}


def _check_data_of_runs(candidates: Sequence[Candidate], known: Mapping[str, Config]) -> None:
    """Refuses a run that is scored on its own data set if that was moved."""
    for one in candidates:
        if one.config is None and one.name in known and not (root := known[one.name].data.root).is_dir():
            raise RunError(
                f"{one.path}: was trained on {root}, which no longer exists. Give the data set to score on: "
                "--data ROOT."
            )
