"""Tests of the rungs of a halving and of who comes through them."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcn.comparison.halving import better_half, rung_sizes, rung_steps


@pytest.mark.parametrize(
    ("count", "steps", "rungs", "sizes"),
    [
        (2, 500, (250, 500), (2, 1)),
        (3, 8, (2, 4, 8), (3, 2, 1)),
        (4, 10, (3, 5, 10), (4, 2, 1)),
        (12, 1600, (100, 200, 400, 800, 1600), (12, 6, 3, 2, 1)),
    ],
)
def test_rungs_by_hand(count: int, steps: int, rungs: tuple, sizes: tuple) -> None:
    assert rung_steps(count, steps) == rungs
    assert rung_sizes(count) == sizes


@given(st.integers(2, 200), st.integers(0, 5000))
def test_rungs_end_with_one_net_and_all_steps(count: int, more: int) -> None:
    sizes = rung_sizes(count)
    steps = rung_steps(count, 2 ** (len(sizes) - 1) + more)
    assert len(sizes) == len(steps)
    assert (sizes[0], sizes[-1], steps[-1]) == (count, 1, 2 ** (len(sizes) - 1) + more)
    assert all(size > after for size, after in pairwise(sizes))
    assert all(one < after <= 2 * one for one, after in pairwise(steps))
    scores = {str(number): 0.5 for number in range(count)}
    for size in sizes[1:]:
        scores = dict.fromkeys(better_half(scores), 0.5)
        assert len(scores) == size


def test_the_better_half_in_its_order() -> None:
    assert better_half({"a": 0.1, "b": 0.4, "c": 0.3, "d": 0.2}) == ("b", "c")
    assert better_half({"a": 0.1, "b": 0.4, "c": 0.3}) == ("b", "c")
    # Of equal ones the first; what was never scored is worse than 0.
    assert better_half({"a": math.nan, "b": 0.2, "c": 0.2, "d": 0.0}) == ("b", "c")
    assert better_half({"a": math.nan, "b": 0.0}) == ("b",)
    assert better_half({}) == ()
