"""Folds of a split: equally large, with groups in one piece; and what is refused."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.errors import DataError, RunError
from fcn.suspects.folds import _only_one, divide_into_folds


@settings(max_examples=50)
@given(st.lists(st.integers(0, 12), min_size=1), st.integers(2, 5), st.integers(0, 3))
def test_groups_stay_together_and_folds_are_alike(groups: list[int], count: int, seed: int) -> None:
    sizes = Counter(groups)
    if len(sizes) < count:
        with pytest.raises(DataError, match=f"--folds {count}"):
            divide_into_folds(groups, count, seed)
        return
    folds = divide_into_folds(groups, count, seed)
    assert set(folds) == set(range(count))
    assert len({*zip(groups, folds, strict=True)}) == len(sizes)
    filled = Counter(folds)
    assert max(filled.values()) - min(filled.values()) <= max(sizes.values())
    assert divide_into_folds(groups, count, seed) == folds


def test_one_command_works_in_a_run_at_a_time(tmp_path: Path) -> None:
    work = tmp_path / "folds"
    with _only_one(work), pytest.raises(RunError, match=f"{work}: another"), _only_one(work):
        pass
    with _only_one(work):
        pass
