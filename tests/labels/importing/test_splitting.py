import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcn.errors import ConfigError, DataError
from fcn.labels.importing import splitting
from fcn.labels.importing.splitting import Division, divide

classes_of_images = st.lists(st.frozensets(st.integers(0, 6), max_size=4), min_size=3, max_size=40)


def names_of(classes):
    return [f"image {number}" for number in range(len(classes))]


@given(classes_of_images, st.integers(0, 3))
def test_each_class_that_can_be_is_in_both(classes, seed):
    splits = divide(names_of(classes), classes, Division(0.3, seed=seed))
    assert set(splits) == {"train", "val"}
    both = Counter(key for one in classes for key in one)
    single = [
        key
        for key, count in both.items()
        if count >= 2 and sum(len(one) == 1 for one in classes) == len(classes)
    ]
    for key in single:  # images of one class each: nothing else decides
        assert {split for split, one in zip(splits, classes, strict=True) if key in one} == {"train", "val"}


@given(classes_of_images, st.randoms(use_true_random=False))
def test_the_order_of_names_does_not_matter(classes, random):
    names = names_of(classes)
    first = dict(zip(names, divide(names, classes, Division(0.3)), strict=True))
    order = list(range(len(names)))
    random.shuffle(order)
    again = divide([names[i] for i in order], [classes[i] for i in order], Division(0.3))
    assert {names[i]: split for i, split in zip(order, again, strict=True)} == first


def test_shares_are_kept():
    rng = np.random.default_rng(0)
    classes = [frozenset(np.flatnonzero(rng.random(8) < 0.3).tolist()) for _ in range(1000)]
    found = Counter(divide(names_of(classes), classes, Division(0.2, 0.1)))
    assert abs(found["val"] - 200) < 20
    assert abs(found["test"] - 100) < 20


def test_a_rare_class_is_in_both():
    classes = [frozenset({0})] * 50
    for index in (3, 30):
        classes[index] = frozenset({0, 1})
    splits = divide(names_of(classes), classes, Division(0.2))
    assert {splits[3], splits[30]} == {"train", "val"}


def test_the_seed_chooses():
    classes = [frozenset({0})] * 30
    found = {tuple(divide(names_of(classes), classes, Division(0.3, seed=seed))) for seed in range(5)}
    assert len(found) == 5


@pytest.mark.parametrize("pattern", [r"^(.*)_frame", r"^.*(?=_frame)"])
def test_groups_stay_together(pattern):
    names = [f"video{number % 7}_frame{number}" for number in range(70)]
    splits = divide(names, [frozenset({0})] * 70, Division(0.3, group_by=pattern))
    by_video = {name.partition("_")[0]: split for name, split in zip(names, splits, strict=True)}
    assert splits == [by_video[name.partition("_")[0]] for name in names]
    assert set(splits) == {"train", "val"}


def test_names_without_a_match_are_alone():
    names = ["a_1", "a_2", *(f"other {number}" for number in range(20))]
    splits = divide(names, [frozenset({0})] * 22, Division(0.5, group_by=r"^(\w)_"))
    assert splits[0] == splits[1]
    assert set(splits[2:]) == {"train", "val"}


@pytest.mark.parametrize(
    ("pattern", "message"), [("(", "is not a regular expression"), ("z+$", "matches no name")]
)
def test_a_pattern_that_does_not_help_is_refused(pattern, message):
    with pytest.raises(ConfigError, match=message):
        divide(["a", "b"], [frozenset()] * 2, Division(0.5, group_by=pattern))


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_pattern_that_takes_forever_is_stopped(monkeypatch, in_thread):
    """Also in a thread, as a server has it."""
    monkeypatch.setattr(splitting, "_MATCH_SECONDS", 0.4)
    names = ["a" * 40 + "b", "c"]
    begin = time.monotonic()
    call = partial(divide, names, [frozenset()] * 2, Division(0.5, group_by=r"(a+)+$"))
    with ThreadPoolExecutor(1) as pool, pytest.raises(ConfigError, match=r"takes more than 0\.4 s"):
        pool.submit(call).result() if in_thread else call()
    assert time.monotonic() - begin < 10


def test_no_process_starts_without_a_pattern(monkeypatch):
    monkeypatch.setattr(subprocess, "run", None)
    assert len(divide(["a", "b"], [frozenset()] * 2, Division(0.5))) == 2


def test_too_few_images_or_groups_are_refused():
    with pytest.raises(DataError, match=r"at least 2 images to divide into train, val\. Received: 1"):
        divide(["a"], [frozenset({0})], Division(0.5))
    with pytest.raises(DataError, match=r"at least 2 groups .* Received: 1"):
        divide(["a1", "a2", "a3"], [frozenset({0})] * 3, Division(0.5, group_by="a"))
