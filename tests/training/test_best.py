"""Tests of the score by which the best checkpoint is chosen."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fcn.config.file import Config
from fcn.data.image_io import encode_label
from fcn.evaluation.metrics import Scores
from fcn.training.best import choice_score, kept_choice
from fcn.training.checked_data import read_checked
from fcn.training.loop import train

NAMES = ("ground", "cat", "dog")
ALL = np.ones(3, bool)


def test_with_all_classes_in_both_splits_it_is_the_mean_iou(rng: np.random.Generator) -> None:
    matrix = rng.integers(1, 50, (3, 3))
    scores = Scores.from_matrix(matrix)
    assert choice_score(scores.class_iou, ALL) == scores.mean_iou
    matrix[2], matrix[:, 2] = 0, 0
    scores = Scores.from_matrix(matrix)
    assert choice_score(scores.class_iou, np.array([True, True, False])) == scores.mean_iou


def test_a_class_that_is_only_predicted_does_not_count() -> None:
    in_both = np.array([True, True, False])
    for predicted in (0, 3):
        scores = Scores.from_matrix(np.array([[5, 0, predicted], [1, 4, 0], [0, 0, 0]]))
        expected = np.mean([5 / (6 + predicted), 4 / 5])
        assert choice_score(scores.class_iou, in_both) == pytest.approx(expected)


def test_without_anything_to_score_it_is_zero() -> None:
    nothing = np.full(3, math.nan)
    assert choice_score(nothing, ALL) == choice_score(nothing, ~ALL) == 0
    assert choice_score(np.array([0.5, math.nan, 0.25]), ~ALL) == 0.375


def test_an_earlier_choice_is_read_from_the_scores(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    document = {"class_iou": {"ground": 0.5, "cat": 0.1, "dog": None}, "step": 20}
    path.write_text(json.dumps(document))
    assert kept_choice(path, NAMES, ALL, {10, 20}) == pytest.approx(0.3)
    assert kept_choice(path, NAMES, np.array([True, False, True]), {20}) == 0.5
    assert kept_choice(path, NAMES, ALL, {10}) is None  # the log was cut since
    assert kept_choice(path, ("ground", "cow"), ALL, {20}) is None


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{", '{"class_iou": 7, "step": 20}', '{"class_iou": {"ground": "x"}}'),
        '{"class_iou": {"ground": 0.5}, "step": [2]}',
    ],
)
def test_damaged_scores_hold_no_choice(content: str, tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    path.write_text(content)
    assert kept_choice(path, ("ground",), ALL[:1], {20}) is None
    assert kept_choice(tmp_path / "none", ("ground",), ALL[:1], {20}) is None


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_training_chooses_over_the_classes_in_both_splits(
    make_dataset: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_dataset(tmp_path / "data", {"train": ["a", "b"], "val": ["x"]})
    label = np.zeros((20, 26), np.uint8)
    label[:10] = 1
    (root / "SegmentationClass" / "x.png").write_bytes(encode_label(label))
    config = Config.model_validate(
        {
            "data": {"root": root},
            "augmentation": {"crop_size": (16, 16)},
            "model": {"net": "fcn32s", "width": 1 / 32, "fc_channels": 16},
            "train": {"steps": 6, "batch_size": 2, "evaluate_steps": 1, "learning_rate": 1.0},
        }
    )
    assert read_checked(config.data).val_pixels.tolist() == [260, 260, 0]
    result = train(config, tmp_path / "run")
    said = capsys.readouterr().err
    assert "never scored: dog (2). Add images that show them to the list of data.val_split; " in said
    assert result.evaluation.class_images is not None
    assert result.evaluation.class_images.tolist() == [1, 1, 0]
    kept = json.loads(result.run.scores.read_text())
    best = np.mean([kept["class_iou"][name] for name in ("ground", "cat")])
    assert choice_score(result.evaluation.scores.class_iou, np.array([True, True, False])) == best
