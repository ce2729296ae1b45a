"""Divides a training split into folds, and trains for each a net that has not seen it.

What the nets take lies in `folds/` of the run. An interrupted command leaves it, and the same command
continues there; one that ends removes it. It holds the weights of each net that is trained, and one run.
"""

import errno
import gc
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from fcn.classes import Classes
from fcn.config.file import Config
from fcn.config.teaching import without_teacher
from fcn.data.class_list import format_class_list
from fcn.data.class_names import CLASS_LIST, find_class_list
from fcn.data.examination import examine_examples
from fcn.data.split_list import SPLITS, Entry, Example, read_entries
from fcn.data.voc import read_split
from fcn.errors import DataError, RunError
from fcn.labels.checking.copies import group_near
from fcn.runs.digests import SplitDigests
from fcn.runs.folder import RunFolder, model_file
from fcn.runs.splits import find_lists
from fcn.suspects.ranking import Net
from fcn.system.files import as_json, remove, unwritable, write_text
from fcn.system.json_files import read_json_file
from fcn.system.links import link_folder, link_or_copy
from fcn.system.remedies import as_started
from fcn.system.text import print_notice
from fcn.training.loop import train

FOLDS = "folds"
"""Name of the folder in a run."""

_PLAN, _LOCK, _DATA = "plan.json", ".lock", "data"
_MAX_PLAN_BYTES = 256 << 20  # it names all images
_VAL = "val"
# What operating systems answer where a file system has no locks.
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


class Fold(NamedTuple):
    """A part of a split.

    Attributes:
        examples: Its examples, which the net of the fold is not trained on.
        entries: Their lines in the list of the split.
        others: The lines of all other examples.
    """

    examples: list[Example]
    entries: list[Entry]
    others: list[Entry]


def divide_into_folds(groups: Sequence[int], count: int, seed: int) -> list[int]:
    """Returns the fold of each example, so that groups stay together and folds are about equally large.

    Args:
        groups: Number of the group of each example.
        count: How many folds.
        seed: Chooses among equal divisions.

    Raises:
        DataError: If there are fewer groups than folds.

    Example:
        >>> divide_into_folds([0, 0, 1, 2], 2, seed=0)
        [0, 0, 1, 1]
    """
    sizes = Counter(groups)
    if len(sizes) < count:
        raise DataError(
            f"--folds {count}: expected at least so many training images that do not look alike. Received: "
            f"{len(sizes)}. Choose fewer folds, or score with the net of the run alone."
        )
    order = sorted(sizes)
    random.Random(seed).shuffle(order)
    order.sort(key=lambda group: -sizes[group])
    filled = [0] * count
    fold_of = {}
    for group in order:
        fold = filled.index(min(filled))
        filled[fold] += sizes[group]
        fold_of[group] = fold
    return [fold_of[group] for group in groups]


@contextmanager
def fold_nets(
    run: RunFolder, config: Config, classes: Classes, examples: Sequence[Example], count: int, trust: bool
) -> Iterator[list[Net]]:
    """Yields a net for each fold of a training split, trained on all others with a run's configuration.

    Images that look nearly alike, as frames of a video do, stay in one fold. Each net is scored on the
    validation split of the run as it is trained, so that no fold chooses among its checkpoints.

    Args:
        run: The run; its folder `folds` is used, and removed when the block succeeds.
        config: Its configuration.
        classes: Of the data set.
        examples: The training split, with the configuration's `data.bits`.
        count: How many folds.
        trust: Whether to start also from a model with parts that could run code.

    Raises:
        DataError: If an image or label cannot be used, or there are too few.
        FcnError: As `fcn.training.loop.train` does.
        OutputError: If the run cannot be written to.
        RunError: If another process works in the folder.
    """
    data = config.data
    lists = find_lists(run, data)
    val_examples = read_split(data.root, data.val_split, data.label_orientation, data.used_bits, lists)
    found = examine_examples([*examples, *val_examples], len(classes.names))
    facts = found.usable_facts()
    digests = [one.digest for one in facts]
    groups = group_near(facts[: len(examples)])
    alike = sum(size for size in Counter(groups).values() if size > 1)
    if alike:
        print_notice(f"{alike:,} of {len(groups):,} images look nearly like another; these share a fold.")
    numbers = divide_into_folds(groups, count, config.train.seed)
    entries = read_entries(lists / f"{data.train_split}.txt")
    folds = [
        Fold(
            [example for example, other in zip(examples, numbers, strict=True) if other == number],
            [entry for entry, other in zip(entries, numbers, strict=True) if other == number],
            [entry for entry, other in zip(entries, numbers, strict=True) if other != number],
        )
        for number in range(count)
    ]
    work = run.path.resolve() / FOLDS
    plan = {
        "version": 1,
        "configuration": config.to_yaml(),
        "classes": list(classes.names),
        "train": SplitDigests.of(digests[: len(examples)])._asdict(),
        "val": SplitDigests.of(digests[len(examples) :])._asdict(),
        "folds": [[entry.name for entry in fold.entries] for fold in folds],
    }
    with _only_one(work):
        try:
            _prepare(work, plan)
            _write_data(work / _DATA, config, classes, folds, lists)
        except OSError as error:
            raise unwritable(work, error) from error
        nets = []
        for number, fold in enumerate(folds):
            nets.append(Net(_trained(work, config, number, count, trust), fold.examples))
            gc.collect()  # a net and its optimizer are large and refer to each other
        yield nets
        remove(work)


def _trained(work: Path, config: Config, number: int, count: int, trust: bool) -> Path:
    """Returns the net of a fold, and trains it or resumes its training if it is not there."""
    net, run = work / f"fold_{number + 1}.keras", RunFolder(work / f"fold_{number + 1}")
    if not net.exists():
        print_notice(
            f"Training net {number + 1} of {count} in {run.path}. If you stop it, the same command continues."
        )
        changed = config.with_values("train", keep_checkpoints=1)
        for section, values in without_teacher().items():  # it has seen all labels, also wrong ones
            changed = changed.with_values(section, **values)
        changed = changed.with_values(
            "data", root=work / _DATA, train_split=_train_list(number), val_split=_VAL
        )
        train(changed, run.path, resume=run.exists(), trust=trust)
        os.replace(model_file(run.path), net)
    remove(run.path)
    return net


def _prepare(work: Path, plan: dict[str, Any]) -> None:
    """Empties the folder if another plan was interrupted there."""
    path = work / _PLAN
    try:
        before = read_json_file(path, _MAX_PLAN_BYTES)
    except (OSError, ValueError):
        before = None
    if before == plan:
        print_notice(f"Continuing in {work}.")
        return
    if before is not None:
        print_notice(f"{work}: was made for other folds, data or another configuration; starting over.")
    for left in work.iterdir():
        if left.name != _LOCK:
            remove(left)
    write_text(path, as_json(plan) + "\n")


def _write_data(root: Path, config: Config, classes: Classes, folds: Sequence[Fold], lists: Path) -> None:
    """Writes a data set with lists of its own; its folders are links to those of the run's data set."""
    source = config.data.root.resolve()
    remove(root)
    (root / SPLITS).mkdir(parents=True)
    for path in source.iterdir():
        if path.is_dir() and path.name != Path(SPLITS).parts[0]:
            link_folder(path, root / path.name)
    names = find_class_list(source)
    if names is None:
        write_text(root / CLASS_LIST, format_class_list(classes.names))
    else:
        link_or_copy(names, root / CLASS_LIST)
    _write_list(root, _VAL, read_entries(lists / f"{config.data.val_split}.txt"))
    for number, fold in enumerate(folds):
        _write_list(root, _train_list(number), fold.others)


def _write_list(root: Path, name: str, entries: Sequence[Entry]) -> None:
    write_text(root / SPLITS / f"{name}.txt", "".join(f"{entry.name}\t{entry.labels}\n" for entry in entries))


def _train_list(number: int) -> str:
    return f"without_{number + 1}"


@contextmanager
def _only_one(work: Path) -> Iterator[None]:
    """Keeps other processes out of the folder, which is made, as long as the block runs."""
    lock = FileLock(work / _LOCK, blocking=False, fallback_to_soft=False)
    try:
        work.mkdir(exist_ok=True)
        lock.acquire()
    except Timeout:
        raise RunError(
            f"{work}: another `{as_started('python -m fcn data suspects')} --folds` works there. Wait until "
            "that ends, or stop it."
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise unwritable(work, error) from error
    try:
        yield
    finally:
        lock.release()
