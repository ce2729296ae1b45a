"""Divides images into a training, a validation and a test split."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from fcn.errors import ConfigError, DataError
from fcn.system.matching import search_names

TRAIN, VAL, TEST = "train", "val", "test"
_MATCH_SECONDS = 10


class Division(NamedTuple):
    """How to divide.

    Attributes:
        val: Share of the images in the validation split.
        test: Share in the test split.
        seed: Chooses among equal divisions.
        group_by: Pattern; images with the same match stay together. None for each image alone.
    """

    val: float
    test: float = 0.0
    seed: int = 0
    group_by: str | None = None


def check_groups(pattern: str, names: Sequence[str] | None = None) -> None:
    """Refuses a pattern that no image can be grouped by.

    Args:
        pattern: The pattern.
        names: Names that it must match one of; None to check only that it is a regular expression.

    Raises:
        BackendError: If it cannot be matched in a process of its own.
        ConfigError: If it is wrong, matches nothing, or takes too long.
    """
    found = search_names(pattern, names or (), _MATCH_SECONDS, "--group-by")
    if names is not None:
        _check_matches(pattern, names, found)


def check_shares(division: Division) -> None:
    """Refuses shares that leave no images for training or validation.

    Raises:
        ConfigError: If they do.
    """
    if not (0 < division.val < 1 and 0 <= division.test < 1 and division.val + division.test < 1):
        raise ConfigError("--val and --test: expected shares above 0 that leave some images for training.")


def divide(names: Sequence[str], classes: Sequence[frozenset[int]], division: Division) -> list[str]:
    """Returns the split of each image; each class that can be is in the training and the validation split.

    Groups are placed one after the other, those with the rarest classes first, each into the split that lacks
    its classes most. The same arguments give the same division, whatever the order of the names.

    Args:
        names: Names of the images.
        classes: Class ids in the label of each.
        division: How to divide.

    Raises:
        BackendError: If the pattern cannot be matched in a process of its own.
        ConfigError: If the pattern is wrong, matches nothing, or takes too long.
        DataError: If there are too few images or groups.

    Example:
        >>> divide(["a", "b", "c", "d"], [frozenset({0, 1})] * 4, Division(val=0.5))
        ['val', 'train', 'train', 'val']
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(_groups(names, division.group_by)):
        groups[group].append(index)
    shares = {TRAIN: 1 - division.val - division.test, VAL: division.val, TEST: division.test}
    shares = {split: share for split, share in shares.items() if share > 0}
    if len(groups) < len(shares):
        what = "images" if division.group_by is None else "groups"
        raise DataError(
            f"Expected at least {len(shares)} {what} to divide into {', '.join(shares)}. "
            f"Received: {len(groups)}."
        )
    order = sorted(groups)
    random.Random(division.seed).shuffle(order)
    members = {
        name: Counter(class_id for index in groups[name] for class_id in classes[index]) for name in order
    }
    totals = sum(members.values(), Counter[int]())
    wanted = {split: {key: share * count for key, count in totals.items()} for split, share in shares.items()}
    room = {split: share * len(names) for split, share in shares.items()}
    # A group is as rare as its rarest class. The sort keeps the shuffled order of equal ones.
    order.sort(key=lambda name: min((totals[key] for key in members[name]), default=len(names)))
    splits = [TRAIN] * len(names)
    empty = set(shares)
    placed: set[tuple[str, int]] = set()
    for position, name in enumerate(order):
        left = len(order) - position
        allowed = list(empty) if left <= len(empty) else list(shares)
        rarest = min(members[name], key=lambda key: (totals[key], key), default=None)

        def need(split: str, rarest: int | None = rarest) -> tuple[bool, float, float, int]:
            lacking = 0.0 if rarest is None else wanted[split][rarest]
            missing = split != TEST and rarest is not None and (split, rarest) not in placed
            return missing, lacking, room[split], -list(shares).index(split)

        split = max(allowed, key=need)
        empty.discard(split)
        placed.update((split, key) for key in members[name])
        room[split] -= len(groups[name])
        for key, count in members[name].items():
            wanted[split][key] -= count
        for index in groups[name]:
            splits[index] = split
    return splits


def _groups(names: Sequence[str], pattern: str | None) -> list[str]:
    if pattern is None:
        return list(names)
    found = search_names(pattern, names, _MATCH_SECONDS, "--group-by")
    _check_matches(pattern, names, found)
    return [name if one is None else f"\0{one}" for name, one in zip(names, found, strict=True)]


def _check_matches(pattern: str, names: Sequence[str], found: Sequence[str | None]) -> None:
    if all(one is None for one in found):
        raise ConfigError(
            f"--group-by {pattern}: matches no name. Names are paths without suffix, such as {names[0]!r}."
        )
