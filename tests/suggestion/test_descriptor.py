"""Descriptors of what a net is not sure of, against sums written out."""

import numpy as np
import pytest

from fcn.classes import VOID
from fcn.suggestion.descriptor import describe, mean_uncertainty, parts_of_side


def test_each_value_is_the_root_of_the_uncertainty_of_a_class_in_a_part() -> None:
    label = np.uint8([[0, 1, 1], [0, 0, 1], [1, 1, 0]])
    uncertainty = np.uint8([[255, 0, 51], [0, 102, 0], [0, 255, 204]])
    found = describe(label, uncertainty, 2)
    # The middle row and column belong to the lower and the right parts.
    by_hand = [[1.0, 0.0], [0.0, 0.2], [0.0, 0.0], [0.4 + 0.8, 1.0]]
    assert found == pytest.approx(np.sqrt(np.array(by_hand).ravel() / 9), abs=1e-6)
    assert found.dtype == np.float32
    assert mean_uncertainty(found) == pytest.approx(uncertainty.mean() / 255, abs=1e-6)


@pytest.mark.parametrize(
    ("num_classes", "size"), [(1, (1, 1)), (11, (1, 40)), (150, (33, 17)), (255, (8, 8))]
)
def test_all_sizes_and_numbers_of_classes_are_described(num_classes: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, num_classes, size).astype(np.uint8)
    uncertainty = rng.integers(0, 256, size).astype(np.uint8)
    found = describe(label, uncertainty, num_classes)
    assert found.shape == (parts_of_side(num_classes) ** 2 * num_classes,)
    assert len(found) <= 256
    assert mean_uncertainty(found) == pytest.approx(uncertainty.mean() / 255, abs=1e-6)


def test_void_is_no_class() -> None:
    assert not describe(np.uint8([[VOID]]), np.uint8([[255]]), 3).any()
