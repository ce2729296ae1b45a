"""The plan of a comparison, checked as far as possible without a backend: names, budgets and data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fcn.classes import Classes
from fcn.comparison.candidates import Candidate, Request, find_candidates
from fcn.comparison.division import divide
from fcn.comparison.halving import rung_steps
from fcn.config.file import Config
from fcn.config.sections import LabelOrientation
from fcn.data.leaks import check_disjoint
from fcn.data.split_list import SPLITS
from fcn.data.voc import Example, read_classes, read_split
from fcn.errors import ConfigError, RunError
from fcn.runs.folder import net_file
from fcn.runs.lineage import find_run
from fcn.runs.splits import is_divided

_SPLIT = "val"


class Plan(NamedTuple):
    """The nets to compare, and the data to score them on.

    Attributes:
        candidates: The nets, in the order of the table; the others are compared with the first.
        root: The data set, in VOC layout.
        split: Name of the list that is scored.
        classes: Of the data set.
        examples: The split.
        label_orientation: What its labels are of.
        varied: Keys that vary, in the order of the command.
        val_share: Share of the training images that each training leaves out, if it chose the examples; None
            if a list of the data set names them.
        is_learned_from: Whether these are the images that it did not leave out.
        rungs: Steps after which the better half is chosen, and at last the steps of a whole training; empty
            if all nets are trained for all steps.
    """

    candidates: tuple[Candidate, ...]
    root: Path
    split: str
    classes: Classes
    examples: Sequence[Example]
    label_orientation: LabelOrientation = "upright"
    varied: tuple[str, ...] = ()
    rungs: tuple[int, ...] = ()
    val_share: float | None = None
    is_learned_from: bool = False

    @property
    def division(self) -> str:
        """How the examples were chosen, a sentence; empty where a list names them."""
        if self.val_share is None:
            return ""
        if self.is_learned_from:
            return (
                f"data.val_share={self.val_share:g}: each training leaves this share of the images of list "
                f"{self.split!r} out; the others, which it learns from, are scored."
            )
        return (
            f"No list {self.split!r}: data.val_share={self.val_share:g} of the images are left out of each "
            "training, and scored."
        )


def plan_comparison(request: Request) -> Plan:
    """Returns which nets take part, and checks that they can be compared.

    Raises:
        ConfigError: If a configuration cannot be read, or if two have different budgets.
        DataError: If the data set cannot be used.
        RunError: If a model does not exist, if two nets have the same name, or if no data set is given.
    """
    candidates, varied = find_candidates(request)
    trained = {one.name: one.config for one in candidates if one.config is not None}
    for one in candidates:
        if one.config is None:
            net_file(one.path)
    _check_budgets(trained, varied)
    rungs = _rungs(trained, varied) if request.halving else ()
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
    moved = {name: config.with_values("data", root=root).data for name, config in known.items()}
    divided = [one for one in moved.values() if is_divided(one) and split in (one.train_split, one.val_split)]
    if divided:
        remedy = (
            f"Set the same for all, or copy the lists of one run (RUN/splits) to {root / SPLITS}, which then "
            "are those of all"
        )
        share = _same({name: data.val_share for name, data in moved.items()}, "data.val_share", remedy)
        _same({name: data.train_split for name, data in moved.items()}, "data.train_split", remedy)
        classes, examples = divide(candidates, divided[0], split)
        learned = split == divided[0].train_split
        return Plan(candidates, root, split, classes, examples, orientation, varied, rungs, share, learned)
    classes, examples = read_classes(root, (split,), configured), read_split(root, split, orientation)
    if train_split is not None:
        train_examples = read_split(root, train_split)
        for val_split in sorted({data.val_split for data in moved.values() if not is_divided(data)}):
            check_disjoint(train_examples, read_split(root, val_split), root)
    return Plan(candidates, root, split, classes, examples, orientation, varied, rungs)


def _check_budgets(trained: Mapping[str, Config], varied: Sequence[str]) -> None:
    """Refuses different budgets, except in what the command varies."""
    for key, remedy in (
        ("steps", "--steps N"),
        ("seed", "--seed S"),
        ("batch_size", "--set train.batch_size=N"),
    ):
        if f"train.{key}" in varied or (key == "steps" and "train.epochs" in varied):
            continue
        values = {name: getattr(config.train, key) for name, config in trained.items()}
        _same(values, f"train.{key}", f"Choose one value for all: {remedy}")


def _rungs(trained: Mapping[str, Config], varied: Sequence[str]) -> tuple[int, ...]:
    """Returns the steps of each rung of a halving.

    Raises:
        ConfigError: If lengths vary, or there are too few nets or steps.
    """
    lengths = [key for key in ("train.steps", "train.epochs") if key in varied]
    if lengths:
        raise ConfigError(f"--halving: sets the steps of each net, so --vary {lengths[0]} is not possible.")
    if len(trained) < 2:
        raise ConfigError("--halving: expected at least 2 nets to train. Received: 1. Add --vary or --nets.")
    steps = next(iter(trained.values())).train.steps
    rungs = rung_steps(len(trained), steps)
    if steps < 2 ** (len(rungs) - 1):
        raise ConfigError(
            f"--halving: expected at least {2 ** (len(rungs) - 1)} steps for {len(trained)} nets. Received: "
            f"train.steps={steps}. Choose more: --steps N."
        )
    return rungs


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
    runs = {one.name: find_run(one.path) for one in candidates if one.config is None}
    return {name: run.load_config() for name, run in runs.items() if run is not None}


def _check_data_of_runs(candidates: Sequence[Candidate], known: Mapping[str, Config]) -> None:
    """Refuses a run that is scored on its own data set if that was moved."""
    for one in candidates:
        if one.config is None and one.name in known and not (root := known[one.name].data.root).is_dir():
            raise RunError(
                f"{one.path}: was trained on {root}, which no longer exists. Give the data set to score on: "
                "--data ROOT."
            )
