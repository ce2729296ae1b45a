import json
import math

import numpy as np
import pytest

from fcn.evaluation.calibration import CalibrationSums

# Ten pixels of three classes in one row: their probabilities, and their true classes.
PROBABILITIES = np.array(
    [
        [0.90, 0.05, 0.05],
        [0.92, 0.04, 0.04],
        [0.96, 0.02, 0.02],
        [0.94, 0.03, 0.03],
        [0.55, 0.40, 0.05],
        [0.57, 0.03, 0.40],
        [0.10, 0.80, 0.10],
        [0.05, 0.84, 0.11],
        [0.10, 0.10, 0.80],
        [0.30, 0.30, 0.40],
    ],
    np.float32,
)
TRUTH = np.array([0, 0, 0, 1, 0, 2, 1, 1, 2, 255], np.uint8)  # the last is void


def ten_pixels(bins: int = 5) -> CalibrationSums:
    sums = CalibrationSums(3, bins)
    sums.add(PROBABILITIES[None], TRUTH[None])
    return sums


def test_ten_pixels_by_hand() -> None:
    """Bins of a fifth: two pixels from 0.4 to 0.6, and seven from 0.8 (0.80 as a float is above 4/5)."""
    found = ten_pixels().calibration()
    assert found.pixels.tolist() == [0, 0, 2, 0, 7]
    # 0.55 is right and 0.57 wrong; of the seven, 0.94 alone is wrong.
    confident = 0.90 + 0.92 + 0.96 + 0.94 + 0.80 + 0.84 + 0.80
    assert found.confidence[[2, 4]].tolist() == pytest.approx([0.56, confident / 7], rel=1e-6)
    assert found.accuracy[[2, 4]].tolist() == pytest.approx([0.5, 6 / 7])
    assert np.isnan(found.accuracy[[0, 1, 3]]).all()
    assert found.expected_error == pytest.approx((0.12 + (confident - 6)) / 9, abs=1e-6)
    likelihood = [0.90, 0.92, 0.96, 0.03, 0.55, 0.40, 0.80, 0.84, 0.80]
    assert found.negative_log_likelihood == pytest.approx(-np.log(likelihood).mean(), rel=1e-6)
    ones = np.eye(3)[TRUTH[:9]]
    assert found.brier == pytest.approx(np.square(PROBABILITIES[:9] - ones).sum(axis=1).mean(), rel=1e-6)


def test_classes_are_those_that_were_predicted() -> None:
    found = ten_pixels().calibration()
    first = (abs(0.55 + 0.57 - 1) + abs(0.90 + 0.92 + 0.96 + 0.94 - 3)) / 6
    second, third = abs(0.80 + 0.84 - 2) / 2, abs(0.80 - 1)
    assert found.class_expected_error.tolist() == pytest.approx([first, second, third], abs=1e-6)


def test_parts_make_the_whole() -> None:
    sums = CalibrationSums(3, 5)
    for row in range(0, 10, 3):
        sums.add(PROBABILITIES[None, row : row + 3], TRUTH[None, row : row + 3])
    for part, whole in zip(sums.calibration(), ten_pixels().calibration(), strict=True):
        np.testing.assert_allclose(part, whole)


def test_probabilities_that_are_drawn_from_are_calibrated() -> None:
    """True classes that are drawn with the probabilities given differ from them by chance alone."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), (300, 400)).astype(np.float32)
    drawn = (rng.random((300, 400, 1)) > probabilities.cumsum(axis=-1)).sum(axis=-1).clip(0, 3)
    sums = CalibrationSums(4)
    sums.add(probabilities, drawn.astype(np.uint8))
    assert sums.calibration().expected_error < 0.006  # the standard error of a bin of 8,000 is 0.0055
    surer = np.square(probabilities) / np.square(probabilities).sum(axis=-1, keepdims=True)
    sums = CalibrationSums(4)
    sums.add(surer, drawn.astype(np.uint8))
    assert sums.calibration().expected_error > 0.1


def test_certain_and_wrong_is_finite() -> None:
    sums = CalibrationSums(2)
    sums.add(np.array([[[1, 0]]], np.float32), np.array([[1]], np.uint8))
    found = sums.calibration()
    assert found.expected_error == 1
    assert found.brier == 2
    assert 80 < found.negative_log_likelihood < 90


def test_nothing_to_measure_is_none_in_json() -> None:
    found = CalibrationSums(2, 3).calibration()
    assert math.isnan(found.expected_error)
    document = json.loads(json.dumps(found.as_dict(("sky", "sea")), allow_nan=False))
    assert document["class_expected_calibration_error"] == {"sky": None, "sea": None}
    assert document["num_pixels"] == 0
    assert len(document["bins"]) == 3
