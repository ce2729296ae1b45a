"""Tests of boundary IoU: by hand, against a loop over classes with SciPy, and properties."""

import json
import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from fcn.classes import VOID
from fcn.evaluation.boundary import boundary_counts
from fcn.evaluation.metrics import BoundaryScores

Map = npt.NDArray[np.uint8]


def draw(rng: np.random.Generator, size: tuple[int, int], num_classes: int, cell: int) -> Map:
    """Draws a label of patches of a few pixels' width, a tenth of them void."""
    coarse = rng.integers(0, num_classes, [math.ceil(pixels / cell) for pixels in size]).astype(np.uint8)
    coarse[rng.random(coarse.shape) < 0.1] = VOID
    return coarse.repeat(cell, 0).repeat(cell, 1)[: size[0], : size[1]]


def count_slowly(label: Map, prediction: Map, num_classes: int) -> npt.NDArray[np.int64]:
    """Counts class by class, with distances to what is not of the class."""
    depth = max(1, round(0.02 * math.sqrt(label.shape[0] ** 2 + label.shape[1] ** 2)))
    counts = []
    for class_id in range(num_classes):
        regions = []
        for classes in (label, prediction):
            inside = np.pad((classes == class_id) & (label != VOID), 1)
            regions.append(inside & (ndimage.distance_transform_cdt(inside, "chessboard") <= depth))
        counts.append([np.sum(regions[0] & regions[1]), np.sum(regions[0] | regions[1])])
    return np.array(counts).T


@pytest.mark.parametrize("size", [(1, 1), (1, 60), (37, 53), (120, 90), (375, 500)])
@pytest.mark.parametrize("num_classes", [1, 3, 21, 255])
def test_the_counts_are_those_of_a_loop_over_classes(size: tuple[int, int], num_classes: int) -> None:
    rng = np.random.default_rng(num_classes)
    label = draw(rng, size, num_classes, cell=max(1, size[0] // 5))
    other = draw(rng, size, num_classes, cell=7) % num_classes
    prediction = np.where(rng.random(size) < 0.98, np.roll(label, 2, axis=1), other)
    prediction[prediction == VOID] = 0
    counts = boundary_counts(label, prediction, num_classes)
    np.testing.assert_array_equal(counts, count_slowly(label, prediction, num_classes))
    assert size[0] == 1 or counts[0].sum() > 0
    assert counts.dtype == np.int64


def test_an_image_worked_by_hand() -> None:
    # The depth is 1 pixel: 2 % of 10.6 is less. The label's class 1 is a square of 4 x 4, so is the
    # prediction's, one column to the right.
    label, prediction = np.zeros((2, 8, 7), int)
    label[2:6, 1:5] = 1
    prediction[2:6, 2:6] = 1
    # Rings of 12 pixels around 4. In common: three of the top row, three of the bottom row; columns 2 and 4
    # are inside of one square where they are at the side of the other.
    ring = [6, 12 + 12 - 6]
    # Class 0: all of the 40 pixels but those that see nothing else within 1, none of which is at the border.
    # The label's square leaves none: rows 1 and 6 and column 5 touch it, all others are at the border.
    # In the prediction column 1 touches the square: 40 pixels too. Their squares differ in 2 x 4 pixels.
    background = [40 - 4, 40 + 4]
    assert boundary_counts(label, prediction, 3).T.tolist() == [background, ring, [0, 0]]


@pytest.mark.parametrize(("size", "depth"), [((10, 10), 1), ((30, 40), 1), ((60, 80), 2), ((375, 500), 12)])
def test_the_region_is_two_percent_of_the_diagonal_deep(size: tuple[int, int], depth: int) -> None:
    label = np.zeros(size, np.uint8)
    inner = (size[0] - 2 * depth) * (size[1] - 2 * depth)
    assert boundary_counts(label, label, 1).tolist() == [[label.size - inner]] * 2


def test_what_is_said_on_void_is_of_no_account(rng: np.random.Generator) -> None:
    label = draw(rng, (80, 100), 4, cell=16)
    right = np.where(label == VOID, 0, label)
    assert (label == VOID).any()
    counts = boundary_counts(label, right, 4)
    np.testing.assert_array_equal(counts[0], counts[1])
    noise = np.where(label == VOID, rng.integers(0, 4, label.shape), label)
    np.testing.assert_array_equal(boundary_counts(label, noise, 4), counts)
    nothing = np.full((9, 9), VOID)
    assert not boundary_counts(nothing, np.zeros((9, 9), int), 4).any()


def test_label_and_prediction_may_change_places(rng: np.random.Generator) -> None:
    one, other = rng.integers(0, 3, (2, 6, 8)).repeat(9, 1).repeat(9, 2)
    np.testing.assert_array_equal(boundary_counts(one, other, 3), boundary_counts(other, one, 3))


def test_boundaries_are_judged_more_severely_than_areas() -> None:
    label, prediction = np.zeros((2, 200, 200), np.uint8)
    label[50:150, 50:150] = 1
    prediction[53:147, 53:147] = 1  # 0.88 of the area
    scores = BoundaryScores.from_counts(boundary_counts(label, prediction, 2))
    # 2 % of the diagonal is 6 pixels: the rings share the three between 53 and 56.
    shared, rings = 94**2 - 88**2, (100**2 - 88**2) + (94**2 - 82**2)
    assert scores.class_boundary_iou[1] == pytest.approx(shared / (rings - shared))


def test_the_scores_as_a_document() -> None:
    scores = BoundaryScores.from_counts(np.array([[1, 0, 0], [2, 0, 4]]))
    np.testing.assert_array_equal(scores.class_boundary_iou, [0.5, np.nan, 0])
    assert scores.mean_boundary_iou == 0.25
    document = scores.as_dict(["a", "b", "c"])
    assert document == {"mean_boundary_iou": 0.25, "class_boundary_iou": {"a": 0.5, "b": None, "c": 0}}
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    nothing = BoundaryScores.from_counts(np.zeros((2, 2), np.int64)).as_dict(["a", "b"])
    assert nothing == {"mean_boundary_iou": None, "class_boundary_iou": {"a": None, "b": None}}


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one shape. Received: \(2, 3\) and \(3, 2\)"):
        boundary_counts(np.zeros((2, 3), int), np.zeros((3, 2), int), 2)
    with pytest.raises(ValueError, match=r"two axes. Received: 1"):
        boundary_counts([0, 1], [0, 1], 2)
    with pytest.raises(ValueError, match=r"predictions of 0 to 1. Received: 0 to 2"):
        boundary_counts([[0, 1]], [[0, 2]], 2)
