"""The choice of images, against a search that tries each image each time."""

import resource

import hypothesis.extra.numpy as arrays
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcn.suggestion.choice import choose

Descriptors = npt.NDArray[np.float32]


def farthest_first(descriptors: list[list[float]], count: int) -> list[int]:
    """Chooses one by one, each time the first of those with the largest distance to zero and all chosen."""

    def squared(one: list[float], other: list[float]) -> float:
        return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))

    zero = [0.0] * len(descriptors[0])
    chosen: list[int] = []
    while len(chosen) < min(count, len(descriptors)):
        left = [index for index in range(len(descriptors)) if index not in chosen]
        centers = [zero, *(descriptors[index] for index in chosen)]
        nearest = {index: min(squared(descriptors[index], center) for center in centers) for index in left}
        if not max(nearest.values()):
            nearest = {index: squared(descriptors[index], zero) for index in left}
        chosen.append(max(left, key=lambda index: (nearest[index], -index)))
    return chosen


@given(
    # Whole numbers, so that both add up to exactly the same distances.
    arrays.arrays(
        np.float32, st.tuples(st.integers(1, 9), st.integers(1, 4)), elements=st.integers(0, 5).map(float)
    ),
    st.integers(1, 12),
)
def test_the_farthest_is_chosen_each_time(descriptors: Descriptors, count: int) -> None:
    assert choose(descriptors, count) == farthest_first(descriptors.tolist(), count)
    assert choose(descriptors.astype(np.float16), count) == choose(descriptors, count)


def test_the_most_uncertain_comes_first_and_its_copies_last() -> None:
    descriptors = np.float32([[0.1, 0.2], [0.5, 0.5], [0, 0], [0.5, 0.5], [0.5, 0.4], [0, 0.6]])
    assert choose(descriptors, 3) == [1, 5, 0]
    assert choose(descriptors, 6) == [1, 5, 0, 4, 3, 2]
    assert choose(descriptors, 600) == choose(descriptors, 6)


def test_an_image_of_which_the_net_is_sure_is_not_chosen_for_being_different() -> None:
    """Unlike with centers among the images alone, whose farthest image may be the easiest."""
    unsure = [[0.6, 0.0, 0.01 * number] for number in range(5)]
    descriptors = np.float32([*unsure, [0.0, 0.001, 0.0]])
    assert 5 not in choose(descriptors, 5)


@pytest.mark.exhaustive
def test_a_hundred_thousand_images_take_little_memory() -> None:
    rng = np.random.default_rng(0)
    descriptors = rng.random((100_000, 84), np.float32).astype(np.float16)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    chosen = choose(descriptors, 20)
    assert len(set(chosen)) == 20
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    )  # kB; the descriptors take 17,000 in half precision
