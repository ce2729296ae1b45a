"""Pasting classes of another example, and cutting out a box."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcn.classes import VOID
from fcn.data.mixing import choose_classes, cut_out, draw_box


@given(classes=st.lists(st.integers(0, 254), min_size=1, max_size=12, unique=True), seed=st.integers(0, 99))
def test_half_of_the_classes_are_chosen_and_void_is_none(classes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    label = np.array([*classes, *classes, VOID], np.uint8)[np.newaxis]
    chosen = choose_classes(label, 255, rng)
    assert chosen.shape == label.shape
    taken, left = set(label[chosen].tolist()), set(label[~chosen].tolist())
    assert len(taken) == len(classes) // 2
    assert not taken & left
    assert VOID in left


def test_each_class_is_chosen_as_often() -> None:
    label = np.arange(4, dtype=np.uint8)[np.newaxis]
    chosen = [choose_classes(label, 4, np.random.default_rng(seed))[0] for seed in range(800)]
    assert np.mean(chosen, axis=0) == pytest.approx([0.5] * 4, abs=0.06)


@given(height=st.integers(1, 300), width=st.integers(1, 300), seed=st.integers(0, 99))
def test_a_box_lies_inside_and_has_some_percent(height: int, width: int, seed: int) -> None:
    rows, columns = draw_box((height, width), np.random.default_rng(seed))
    assert 0 <= rows.start < rows.stop <= height
    assert 0 <= columns.start < columns.stop <= width
    share = (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
    assert share <= 0.21 or min(height, width) < 50
    assert share >= 0.015 or min(height, width) < 50 or max(height, width) > 3 * min(height, width)


def test_a_box_is_void_and_the_rest_is_as_it_was() -> None:
    image, label = np.full((9, 9, 3), 7, np.uint8), np.full((9, 9), 3, np.uint8)
    changed, known = cut_out(image, label, (slice(2, 4), slice(5, 9)))
    assert changed is not None
    assert np.count_nonzero(known == VOID) == 8
    assert (known[2:4, 5:9] == VOID).all()
    np.testing.assert_array_equal(changed[2, 5], (124, 116, 104))
    assert (changed[known == 3] == 7).all()
    assert (image == 7).all()
    assert (label == 3).all()
    assert cut_out(None, label, (slice(2, 4), slice(5, 9)))[0] is None
