"""What a comparison compares, checked as far as can be without a backend: names, budgets and data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fcn.classes import Classes
from fcn.config.file import Config, is_configuration, load_config
from fcn.data.voc import Example, check_disjoint, read_classes, read_split
from fcn.errors import ConfigError, RunError
from fcn.runs.folder import RunFolder, net_file

_SPLIT = "val"


class Request(NamedTuple):
    """What a user asks for.

    Attributes:
        sources: Configurations to train, and run folders or `.keras` files to load.
        output: Folder of the trained runs and of what is written about all.
        nets: Train each configuration once for each of these nets; none: for its own.
        changes: "section.key=value" for every configuration.
        steps: Of every training; None for what the configurations say.
        seed: Of every training, as `steps`.
        data: Data set to train and to score on; None for that of the configurations.
        split: To score on; None for that of the configurations.
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
        name: What it is called in tables.
        path: A run folder, which need not be there yet if the net is trained, or a `.keras` file.
        config: How to train it; None for a net that is loaded.
    """

    name: str
    path: Path
    config: Config | None


class Plan(NamedTuple):
    """What is compared, and on what.

    Attributes:
        candidates: The nets, in the order of the table; what the others are compared with comes first.
        root: The data set, in VOC layout.
        split: Name of the list that is scored.
        classes: Of the data set.
        examples: The split.
    """

    candidates: tuple[Candidate, ...]
    root: Path
    split: str
    classes: Classes
    examples: Sequence[Example]


def plan_comparison(request: Request) -> Plan:
    """Says which nets take part, and checks that they can be compared.

    Raises:
        ConfigError: If a configuration cannot be read, or two have another budget.
        DataError: If the data set cannot be used.
        RunError: If there is no such model, if two nets have one name, or if nobody says what to score on.
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
    root = request.data or _same(roots, "data.root", "Name the data set for all: --data ROOT")
    if root is None:
        raise RunError("--data: is missing. None of the models says what data set to score on.")
    split = request.split or _same(splits, "data.val_split", "Name the split for all: --split NAME") or _SPLIT
    lists = {name: config.data.train_split for name, config in trained.items()}
    train_split = _same(lists, "data.train_split", "Set it for all: --set data.train_split=NAME")
    classes, examples = read_classes(root), read_split(root, split)
    if train_split is not None:
        train_examples = read_split(root, train_split)
        for val_split in sorted(set(splits.values())):
            check_disjoint(train_examples, read_split(root, val_split), root)
    return Plan(candidates, root, split, classes, examples)


def _candidates(request: Request) -> tuple[Candidate, ...]:
    configs = [source for source in request.sources if is_configuration(source)]
    wishes = {"--nets": request.nets, "--set": request.changes, "--steps": request.steps}
    idle = [name for name, wish in (wishes | {"--seed": request.seed}).items() if wish not in (None, (), [])]
    if idle and not configs:
        raise RunError(f"{idle[0]}: says how configurations are trained, and none is given. Leave it out.")
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
                f"{one.name}: is the name of two nets, by which tables tell them apart. Rename a file or "
                "folder, or leave one out."
            )
    return tuple(found)


def _config(request: Request, source: Path, net: str | None) -> Config:
    """Reads a configuration with all that the command changes in it."""
    wishes = {"model.net": net, "train.steps": request.steps, "train.seed": request.seed}
    changes = [f"{key}={value}" for key, value in wishes.items() if value is not None]
    config = load_config(source, [*request.changes, *changes])
    if request.data is None:
        return config
    return config.model_copy(update={"data": config.data.model_copy(update={"root": request.data})})


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
        _same(values, f"train.{key}", f"Give all the same: {remedy}")


def _same(values: Mapping[str, Any], key: str, remedy: str) -> Any:
    """Returns what all nets agree on; None where there is none.

    Args:
        values: By the name of the net.
        key: What they are called in a configuration.
        remedy: What to do where they differ.

    Raises:
        ConfigError: If they differ.
    """
    first = next(iter(values.values()), None)
    other = next((name for name, value in values.items() if value != first), None)
    if other is not None:
        raise ConfigError(
            f"{key}: expected the same of all nets. Received: {first} ({next(iter(values))}) and "
            f"{values[other]} ({other}). {remedy}."
        )
    return first


def _configs_of_runs(candidates: Sequence[Candidate]) -> dict[str, Config]:
    """Returns the configurations of the runs among models that are loaded."""
    runs = {one.name: RunFolder(one.path) for one in candidates if one.config is None}
    return {name: run.load_config() for name, run in runs.items() if run.exists()}


def _check_data_of_runs(candidates: Sequence[Candidate], known: Mapping[str, Config]) -> None:
    """Refuses a run whose data set was moved, which it is to be scored on."""
    for one in candidates:
        if one.config is None and one.name in known and not (root := known[one.name].data.root).is_dir():
            raise RunError(
                f"{one.path}: was trained on {root}, which is not there any more. Name the data set to score "
                "on: --data ROOT."
            )
