import json

import numpy as np
import pytest

from fcn.evaluation.bootstrap import ImageCounts, ScoreDraws, interval
from fcn.evaluation.metrics import Scores


def images(number: int, seed: int = 0, num_classes: int = 3) -> list[ImageCounts]:
    rng = np.random.default_rng(seed)
    return [ImageCounts.of(rng.integers(0, 50, (num_classes, num_classes))) for _ in range(number)]


def test_counts_leave_zeros_out_and_nothing_else() -> None:
    matrix = np.array([[0, 5], [7, 0]])
    counts = ImageCounts.of(matrix)
    assert counts.places.tolist() == [1, 2]
    assert counts.pixels.tolist() == [5, 7]


def test_equal_images_have_no_spread() -> None:
    matrix = np.array([[8, 1], [2, 9]])
    draws = ScoreDraws([ImageCounts.of(matrix)] * 5, 2, draws=20)
    expected = Scores.from_matrix(matrix)
    for name in ("mean_iou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou"):
        assert getattr(draws, name) == pytest.approx(np.full(20, getattr(expected, name)))
    np.testing.assert_allclose(draws.class_iou, np.tile(expected.class_iou, (20, 1)))


def test_two_images_are_drawn_in_three_ways() -> None:
    """Twice the first, both, or twice the second, with probabilities 1/4, 1/2 and 1/4."""
    right, wrong = np.array([[10, 0], [0, 10]]), np.array([[0, 10], [10, 0]])
    draws = ScoreDraws([ImageCounts.of(right), ImageCounts.of(wrong)], 2, draws=4000)
    values, counts = np.unique(draws.pixel_accuracy, return_counts=True)
    assert values.tolist() == [0, 0.5, 1]
    assert counts / 4000 == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_the_spread_is_that_of_a_mean() -> None:
    """The accuracy of N images of equal size varies as the mean of N values does."""
    rng = np.random.default_rng(1)
    correct = rng.integers(0, 101, 200)
    drawn = ScoreDraws([ImageCounts.of(np.array([[good, 100 - good], [0, 0]])) for good in correct], 2)
    assert drawn.pixel_accuracy.std() == pytest.approx((correct / 100).std() / np.sqrt(200), rel=0.1)


def test_one_seed_draws_the_same_images_for_two_nets() -> None:
    one, other = images(30), images(30)
    first, second = ScoreDraws(one, 3, draws=50), ScoreDraws(other, 3, draws=50)
    np.testing.assert_array_equal(first.mean_iou, second.mean_iou)
    assert (ScoreDraws(one, 3, draws=50, seed=1).mean_iou != first.mean_iou).any()


def test_a_class_that_few_draws_have() -> None:
    rare = np.zeros((3, 3), np.int64)
    rare[2, 2] = 4
    common = np.diag([5, 5, 0])
    draws = ScoreDraws([ImageCounts.of(rare), *[ImageCounts.of(common)] * 3], 3, draws=200)
    without = np.isnan(draws.class_iou[:, 2]).mean()
    assert without == pytest.approx(0.75**4, abs=0.1)
    assert interval(draws.class_iou[:, 2]) == (1, 1)


@pytest.mark.parametrize("number", [0, 1])
def test_json_without_nan(number: int) -> None:
    document = ScoreDraws(images(number), 3, draws=5).as_dict(("a", "b", "c"))
    assert json.loads(json.dumps(document, allow_nan=False))["class_iou"].keys() == {"a", "b", "c"}
    assert (document["mean_iou"] is None) == (number == 0)
