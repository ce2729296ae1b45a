"""Tests of rare-class sampling: the odds of classes, the images that are drawn, and the views of them."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rare_classes import PIXELS, RARE, TEMPERATURE, read_rare_classes, write_rare_classes

from fcn.config.augmentation import AugmentationConfig
from fcn.data.augmentation import cut_label, random_view
from fcn.data.sampling import TRIES, ClassSampler, DrawnClass, class_probabilities, view_of_class

counts = st.lists(st.integers(0, 10**12), min_size=1, max_size=30).filter(any)
temperatures = st.floats(0, exclude_min=True, allow_infinity=False)


def shares_of(pixels: list[int]) -> np.ndarray:
    return np.array(pixels) / sum(pixels)


@given(pixels=counts, temperature=temperatures)
def test_probabilities_sum_to_one_and_fall_with_the_share(pixels: list[int], temperature: float) -> None:
    shares = shares_of(pixels)
    found = class_probabilities(shares, temperature)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    assert not found[shares == 0].any()
    order = np.argsort(shares[shares > 0])
    assert (np.diff(found[shares > 0][order]) <= 0).all()


@given(pixels=counts, temperature=st.floats(0.01, 100))
def test_probabilities_are_the_formula_of_the_paper(pixels: list[int], temperature: float) -> None:
    shares = shares_of(pixels)
    odds = [math.exp((1 - share) / temperature) if share else 0.0 for share in shares.tolist()]
    expected = [one / math.fsum(odds) for one in odds]
    assert class_probabilities(shares, temperature) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_extreme_temperatures_neither_overflow_nor_vanish() -> None:
    shares = np.array([0.7, 0.0, 0.1, 0.2])
    assert class_probabilities(shares, 5e-324).tolist() == [0.0, 0.0, 1.0, 0.0]
    assert class_probabilities(shares, 1e300) == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3])
    assert class_probabilities(np.array([0.5, 0.5]), 5e-324).tolist() == [0.5, 0.5]


def test_classes_are_drawn_by_their_odds_and_images_evenly(tmp_path: Path) -> None:
    examples, sampler = read_rare_classes(write_rare_classes(tmp_path))
    assert len(examples) == len(PIXELS)
    assert sampler.shares.tolist() == (PIXELS.sum(axis=0) / PIXELS.sum()).tolist()
    expected = class_probabilities(sampler.shares, TEMPERATURE)
    assert (expected[:3] > 0.05).all()
    rng, count = np.random.default_rng(0), 5_000
    drawn = np.zeros(PIXELS.shape)
    for _ in range(count):
        class_id, image = sampler.draw(rng)
        drawn[image, class_id] += 1
    deviation = np.sqrt(expected * (1 - expected) / count)
    assert (np.abs(drawn.sum(axis=0) / count - expected) <= 4 * deviation).all()
    assert not drawn[PIXELS == 0].any()  # neither the class without a pixel nor the label of void
    for class_id in range(3):
        own = drawn[PIXELS[:, class_id] > 0, class_id]
        assert np.abs(own - own.mean()).max() <= 4 * math.sqrt(own.mean())


def test_an_image_with_few_pixels_of_a_class_is_drawn_as_much_less_often() -> None:
    labeled = 512 * 1024
    rare = [6000, 3000, 300, 0]  # 3,000 are enough
    sampler = ClassSampler(np.array([[labeled - pixels, pixels] for pixels in rare]), 0.01)
    rng, count = np.random.default_rng(0), 5_000
    drawn = np.bincount(
        [image for class_id, image in (sampler.draw(rng) for _ in range(count)) if class_id], minlength=4
    )
    assert drawn.sum() == count  # the other class is on nearly all pixels
    assert drawn / count == pytest.approx([10 / 21, 10 / 21, 1 / 21, 0], abs=0.03)


def test_one_image_is_drawn_whatever_the_class() -> None:
    sampler = ClassSampler(np.array([[90, 0, 10]]), 1.0)
    rng = np.random.default_rng(0)
    assert {sampler.draw(rng) for _ in range(50)} == {(0, 0), (2, 0)}


@pytest.mark.parametrize("shape", [(0, 3), (2, 3)])
def test_images_without_a_labeled_pixel_cannot_be_drawn_from(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"^Expected labeled pixels\. Received: none in "):
        ClassSampler(np.zeros(shape, np.int64), 0.01)


def object_of(size: int) -> np.ndarray:
    """A label of 150 x 200 with a square of class 2."""
    label = np.zeros((150, 200), np.uint8)
    label[100 : 100 + size, 30 : 30 + size] = RARE
    return label


CROP, FLIPPED, PLAIN = (48, 64), AugmentationConfig(), AugmentationConfig(flip=False)


@pytest.mark.parametrize("size", [1, 4, 12, 40])
def test_views_show_the_class_far_more_often(size: int) -> None:
    label = object_of(size)
    rng = np.random.default_rng(0)
    usual = [random_view((150, 200), CROP, FLIPPED, rng) for _ in range(100)]
    chosen = [view_of_class(label, DrawnClass(RARE, size**2), CROP, FLIPPED, rng) for _ in range(100)]
    before, after = (
        sum(bool((cut_label(label, view, CROP) == RARE).any()) for view in views) for views in (usual, chosen)
    )
    assert before < 55
    assert after > min(75, 4 * before)


def test_a_view_that_shows_enough_is_taken_as_it_is_drawn() -> None:
    label = np.full((150, 200), RARE, np.uint8)
    for seed in range(20):
        expected = random_view((150, 200), CROP, FLIPPED, np.random.default_rng(seed))
        found = view_of_class(label, DrawnClass(RARE, label.size), CROP, FLIPPED, np.random.default_rng(seed))
        assert found == expected


@pytest.mark.parametrize("size", [0, 1, 4, 12, 40])
def test_enough_is_a_share_of_the_crop_or_half_of_the_object(size: int) -> None:
    label, taken = object_of(size), set()
    for seed in range(50):
        rng = np.random.default_rng(seed)
        views = [random_view((150, 200), CROP, PLAIN, rng) for _ in range(TRIES)]
        shown = [np.count_nonzero(cut_label(label, view, CROP) == RARE) for view in views]
        needed = [min(1500 / 512**2 * 48 * 64, size**2 / 2 * view.scale**2) for view in views]
        enough = [number for number in range(TRIES) if shown[number] > 0 and shown[number] >= needed[number]]
        expected = enough[0] if enough else int(np.argmax(shown))
        found = view_of_class(label, DrawnClass(RARE, size**2), CROP, PLAIN, np.random.default_rng(seed))
        assert found == views[expected]
        taken.add(bool(enough))
    assert taken == ({False, True} if size else {False})
