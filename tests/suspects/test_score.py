"""Doubt against plain definitions, pixel by pixel."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fcn.classes import VOID
from fcn.suspects.score import (
    TEMPERATURE,
    Comparison,
    compare_label,
    find_regions,
    label_quality,
    region_mask,
)

CLASSES = 3
WHOLE = (slice(None), slice(None))
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@st.composite
def labeled_scores(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A label with void in it, and logits of the same size that are often the same around a pixel."""
    height, width = draw(SIZES)
    label = draw(arrays(np.uint8, (height, width), elements=st.sampled_from([0, 1, 2, VOID])))
    sure = draw(arrays(np.uint8, (height, width), elements=st.integers(0, CLASSES - 1)))
    strength = draw(arrays(np.float32, (height, width), elements=st.sampled_from([0.25, 1, 3, 9])))
    logits = np.eye(CLASSES, dtype=np.float32)[sure] * strength[..., None]
    return label, logits + np.arange(CLASSES, dtype=np.float32) / 100


def probabilities(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(axis=-1, keepdims=True)


def compared(label: np.ndarray, logits: np.ndarray) -> Comparison:
    return compare_label(label, [(WHOLE, logits)])


@settings(max_examples=40)
@given(labeled_scores())
def test_the_quality_of_a_label_is_its_soft_minimum(scored: tuple[np.ndarray, np.ndarray]) -> None:
    label, logits = scored
    found = probabilities(logits)
    of_label = [found[place][label[place]] for place in np.ndindex(label.shape) if label[place] != VOID]
    quality = label_quality(compared(label, logits))
    if not of_label:
        assert math.isnan(quality)
        return
    # As the paper writes it: the weight of a pixel is the softmax of 1 - p over all pixels.
    weights = [math.exp((1 - p) / TEMPERATURE) for p in of_label]
    expected = sum(p * weight for p, weight in zip(of_label, weights, strict=True)) / sum(weights)
    assert quality == pytest.approx(expected, rel=1e-5)
    assert min(of_label) - 1e-6 <= quality <= np.mean(of_label) + 1e-6


def test_one_wrong_corner_outweighs_a_large_certain_rest() -> None:
    label = np.zeros((20, 20), np.uint8)
    logits = np.zeros((20, 20, CLASSES), np.float32)
    logits[..., 0] = 9
    good = label_quality(compared(label, logits))
    logits[:2, :2] = (0, 9, 0)
    assert label_quality(compared(label, logits)) < 0.01 < 0.99 < good


def flood(alike: np.ndarray, start: tuple[int, int]) -> set[tuple[int, int]]:
    """Pixels that touch at a side or a corner, one after the other."""
    found, left = {start}, [start]
    while left:
        row, column = left.pop()
        for near in ((row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)):
            inside = 0 <= near[0] < alike.shape[0] and 0 <= near[1] < alike.shape[1]
            if inside and alike[near] and near not in found:
                found.add(near)
                left.append(near)
    return found


def depth_in(region: set[tuple[int, int]], pixel: tuple[int, int], shape: tuple[int, ...]) -> int:
    """Rows or columns to the nearest pixel of the image that is not of the region."""
    outside = [place for place in np.ndindex(shape) if place not in region]
    return min((max(abs(pixel[0] - row), abs(pixel[1] - column)) for row, column in outside), default=999)


def plain_regions(label: np.ndarray, logits: np.ndarray) -> Iterator[tuple[float, tuple, set]]:
    found = probabilities(logits.astype(np.float32))
    predicted = logits.argmax(axis=-1)
    limit = max(1, round(0.02 * math.hypot(*label.shape)))
    seen: set[tuple[int, int]] = set()
    for place in np.ndindex(label.shape):
        pair = int(label[place]), int(predicted[place])
        if label[place] == VOID or pair[0] == pair[1] or found[place].max() < 0.5 or place in seen:
            continue
        alike = (label == pair[0]) & (predicted == pair[1]) & (found.max(axis=-1) >= 0.5)
        region = flood(alike, place)
        seen |= region
        doubt = sum(
            (found[one][pair[1]] - found[one][pair[0]]) * min(1, depth_in(region, one, label.shape) / limit)
            for one in region
        )
        yield doubt, pair, region


@settings(max_examples=40)
@given(labeled_scores())
def test_regions_are_those_of_a_plain_search(scored: tuple[np.ndarray, np.ndarray]) -> None:
    label, logits = scored
    comparison = compared(label, logits)
    expected = sorted(plain_regions(label, logits), key=lambda one: -one[0])
    regions = find_regions(comparison, most=100)
    assert [one.doubt for one in regions] == pytest.approx([doubt for doubt, *_ in expected], rel=1e-4)
    pixels = {frozenset(region): pair for _, pair, region in expected}
    for region in regions:
        top, left, height, width = region.box
        mask = region_mask(comparison, region)
        assert mask.shape == (height, width)
        assert mask.any(axis=0).all()
        assert mask.any(axis=1).all()
        own = frozenset((top + row, left + column) for row, column in np.argwhere(mask).tolist())
        assert pixels.pop(own) == (region.given, region.predicted)
        assert region.pixels == len(own)
        assert region.pixel in own
        found = probabilities(logits)
        for class_id, mean in (
            (region.given, region.given_probability),
            (region.predicted, region.predicted_probability),
        ):
            assert mean == pytest.approx(np.mean([found[one][class_id] for one in own]), rel=1e-4)
    few = find_regions(comparison, most=2, above=0.5)
    assert few == [one for one in regions[:2] if one.doubt > 0.5]


@settings(max_examples=40)
@given(labeled_scores(), st.integers(1, 8), st.integers(1, 8))
def test_parts_of_an_image_give_the_same_as_all_of_it(
    scored: tuple[np.ndarray, np.ndarray], row: int, column: int
) -> None:
    label, logits = scored
    places = [
        (rows, columns)
        for rows in (slice(0, row), slice(row, None))
        for columns in (slice(0, column), slice(column, None))
    ]
    parts = compare_label(label, [(place, logits[place]) for place in places])
    for one, other in zip(parts, compared(label, logits), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (parts.given_probability[label == VOID] == 1).all()
    assert not parts.doubted()[label == VOID].any()


def test_a_missing_object_comes_before_a_longer_outline() -> None:
    label = np.zeros((200, 200), np.uint8)
    logits = np.zeros((200, 200, CLASSES), np.float32)
    logits[..., 0] = 4
    logits[20:22, :] = (0, 4, 0)  # 400 pixels along an outline
    logits[100:116, 100:116] = (0, 4, 0)  # 256 pixels
    assert [one.box for one in find_regions(compared(label, logits), 5)] == [
        (100, 100, 16, 16),
        (20, 0, 2, 200),
    ]
