"""Tests of the scores: by hand, and against scikit-learn."""

import json
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from fcn.classes import VOID
from fcn.evaluation.metrics import Scores, confusion_matrix

# Rows true, columns predicted. 20 pixels: 10 of class 0, 6 of class 1, 4 of class 2.
MATRIX = np.array([[7, 2, 1], [1, 5, 0], [2, 0, 2]])


def test_every_score_of_a_matrix_worked_by_hand() -> None:
    scores = Scores.from_matrix(MATRIX)
    # IoU: correct / (true + predicted - correct); 10, 7 and 3 pixels were predicted.
    iou = [7 / (10 + 10 - 7), 5 / (6 + 7 - 5), 2 / (4 + 3 - 2)]
    assert scores.pixel_accuracy == pytest.approx(14 / 20)
    assert scores.mean_accuracy == pytest.approx((7 / 10 + 5 / 6 + 2 / 4) / 3)
    assert scores.class_iou == pytest.approx(np.array([7 / 13, 5 / 8, 2 / 5]))
    assert scores.mean_iou == pytest.approx((7 / 13 + 5 / 8 + 2 / 5) / 3)
    assert scores.frequency_weighted_iou == pytest.approx((10 * iou[0] + 6 * iou[1] + 4 * iou[2]) / 20)


def test_rows_are_true_and_columns_predicted() -> None:
    matrix = confusion_matrix([[0, 0], [0, 1]], [[1, 1], [0, 0]], num_classes=3)
    assert matrix.tolist() == [[1, 2, 0], [1, 0, 0], [0, 0, 0]]
    assert matrix.dtype == np.int64


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num_classes", [2, 21, 255])
def test_the_matrix_and_scores_are_those_of_scikit_learn(seed: int, num_classes: int) -> None:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, num_classes, (60, 70)).astype(np.uint8)
    guess = np.where(rng.random(label.shape) < 0.6, label, rng.integers(0, num_classes, label.shape))
    guess = guess.astype(np.uint8)
    label[rng.random(label.shape) < 0.1] = VOID
    matrix = confusion_matrix(label, guess, num_classes)

    truth, said = label[label != VOID], guess[label != VOID]
    ids = np.arange(num_classes)
    np.testing.assert_array_equal(matrix, metrics.confusion_matrix(truth, said, labels=ids))
    scores = Scores.from_matrix(matrix)
    assert scores.pixel_accuracy == pytest.approx(metrics.accuracy_score(truth, said))
    occurring = np.union1d(truth, said)
    np.testing.assert_array_equal(np.flatnonzero(~np.isnan(scores.class_iou)), occurring)
    iou = metrics.jaccard_score(truth, said, labels=occurring, average=None)
    np.testing.assert_allclose(scores.class_iou[occurring], iou)
    assert scores.mean_iou == pytest.approx(iou.mean())
    present = np.unique(truth)
    recall = metrics.recall_score(truth, said, labels=present, average="macro")
    weighted = metrics.jaccard_score(truth, said, labels=present, average="weighted")
    assert scores.mean_accuracy == pytest.approx(recall)
    assert scores.frequency_weighted_iou == pytest.approx(weighted)


def test_an_absent_class_is_nan_and_left_out_of_the_means() -> None:
    scores = Scores.from_matrix(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))
    assert math.isnan(scores.class_iou[2])
    assert scores.mean_iou == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert scores.mean_accuracy == pytest.approx((3 / 4 + 4 / 4) / 2)
    assert scores.frequency_weighted_iou == pytest.approx((4 * 3 / 4 + 4 * 4 / 5) / 8)
    document = scores.as_dict(["a", "b", "c"])
    assert document["class_iou"] == {"a": pytest.approx(3 / 4), "b": pytest.approx(4 / 5), "c": None}
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_a_class_predicted_but_never_true_counts_as_zero() -> None:
    scores = Scores.from_matrix(np.array([[3, 1], [0, 0]]))
    assert scores.class_iou.tolist() == [3 / 4, 0]
    assert scores.mean_iou == pytest.approx(3 / 8)
    # Its accuracy has no pixels to be a share of.
    assert scores.mean_accuracy == pytest.approx(3 / 4)
    assert scores.frequency_weighted_iou == pytest.approx(3 / 4)


@pytest.mark.filterwarnings("error")
def test_nothing_but_void_is_nan_everywhere() -> None:
    label = np.full((4, 5), VOID, np.uint8)
    matrix = confusion_matrix(label, np.zeros_like(label), num_classes=3)
    assert matrix.sum() == 0
    scores = Scores.from_matrix(matrix)
    assert np.isnan(np.hstack(scores)).all()
    document = scores.as_dict(["a", "b", "c"])
    assert document.pop("class_iou") == {"a": None, "b": None, "c": None}
    assert document == dict.fromkeys(
        ["pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou"], None
    )


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 2**32 - 1)), min_size=1, max_size=4))
def test_the_matrices_of_images_add_up(images: list[tuple[int, int]]) -> None:
    def draw(size: int, seed: int) -> npt.NDArray[np.uint8]:
        values = np.array([0, 1, 2, VOID], np.uint8)
        return np.random.default_rng(seed).choice(values, (2, size))

    pairs = [
        (label := draw(size, seed), np.where(draw(size, seed + 1) == 1, 1, label % 3))
        for size, seed in images
    ]
    total = sum(confusion_matrix(label, guess, 3) for label, guess in pairs)
    labels, guesses = (np.hstack(maps) for maps in zip(*pairs, strict=True))
    np.testing.assert_array_equal(total, confusion_matrix(labels, guesses, 3))
    assert np.sum(total) == np.count_nonzero(labels != VOID)


def test_the_last_of_255_classes_is_told_from_void() -> None:
    label = np.array([254, 255, 254], np.uint8)
    matrix = confusion_matrix(label, np.array([254, 254, 0], np.uint8), num_classes=255)
    assert matrix[254, 254] == 1
    assert matrix[254, 0] == 1
    assert matrix.sum() == 2


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"one shape. Received: \(2, 3\) and \(3, 2\)"):
        confusion_matrix(np.zeros((2, 3), int), np.zeros((3, 2), int), 2)


def test_every_class_needs_a_name() -> None:
    with pytest.raises(ValueError, match="zip"):
        Scores.from_matrix(MATRIX).as_dict(["a", "b"])
