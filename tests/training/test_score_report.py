"""Tests of the scores that a training prints after each validation."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from fcn.config.file import Config
from fcn.evaluation.evaluate import evaluate, evaluate_examples
from fcn.inference.predictor import Predictor
from fcn.runs.log import read_log
from fcn.training.loop import train
from fcn.training.score_report import (
    Validation,
    constant_baselines,
    constant_scores,
    describe_baselines,
    describe_classes,
    describe_scores,
)

pytestmark = pytest.mark.usefixtures("eager")


def configured(root: Path, **train_values: object) -> Config:
    return Config.model_validate(
        {
            "data": {"root": root},
            "augmentation": {"crop_size": (16, 16)},
            "model": {"net": "fcn32s", "width": 1 / 32, "fc_channels": 16},
            "train": {"steps": 4, "batch_size": 2, "evaluate_steps": 2, "learning_rate": 0.1, **train_values},
        }
    )


def test_a_constant_label_scores_as_scikit_learn_says(rng: np.random.Generator) -> None:
    truth, guess = rng.integers(0, 3, (2, 500))  # of four classes
    matrix = np.zeros((4, 4), np.int64)
    np.add.at(matrix, (truth, guess), 1)
    for class_id in range(3):
        scores = constant_scores(matrix, class_id)
        expected = jaccard_score(
            truth, np.full(500, class_id), labels=[0, 1, 2], average=None, zero_division=0
        )
        np.testing.assert_allclose(scores.class_iou, [*expected, math.nan])
        assert scores.mean_iou == pytest.approx(expected.mean())
        assert scores.pixel_accuracy == pytest.approx((truth == class_id).mean())


@pytest.mark.parametrize(
    ("counts", "starts_at_zero", "said"),
    [
        ([6, 2], False, "sky everywhere 37.50% and 75.00%"),
        ([6, 2], True, "sky everywhere, as before the first step, 37.50% and 75.00%"),
        ([2, 6], True, "car everywhere 37.50% and 75.00%; before the first step 12.50% and 25.00%"),
    ],
)
def test_baselines_are_known_from_the_labels(counts: list[int], starts_at_zero: bool, said: str) -> None:
    baselines = constant_baselines(np.diag(counts), ["sky", "car"], starts_at_zero)
    assert describe_baselines(baselines) == f"  for comparison: {said}"


def test_only_what_is_known_is_compared() -> None:
    first = Validation(0.25, 0.5, 2.0)
    assert describe_scores(first, None) == "mean IoU 25.00%, pixel accuracy 50.00%, loss 2.000"
    older = Validation(0.5, 0.5)  # of a version that had no validation loss
    assert describe_scores(first, older) == (
        "mean IoU 25.00% (-25.00 points), pixel accuracy 50.00% (+0.00), loss 2.000"
    )
    void = Validation(math.nan, math.nan)
    assert describe_scores(void, first) == "mean IoU absent, pixel accuracy absent"


def test_few_classes_are_named() -> None:
    names = [f"c{index}" for index in range(9)]
    last = np.full(9, 0.5)
    assert describe_classes(last + 0.004, last, names) == []
    assert describe_classes(np.full(9, math.nan), last, names) == []
    new = last + np.array([0.1, 0.2, 0.3, 0.4, math.nan, 0, -0.1, -0.2, 0.001])
    assert describe_classes(new, last, names) == [
        "  rose most: c3 +40.0 to 90.0%, c2 +30.0 to 80.0%, c1 +20.0 to 70.0%; fell most: c7 -20.0 to 30.0%, "
        "c6 -10.0 to 40.0%"
    ]


@pytest.mark.slow
def test_a_training_prints_its_scores(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(dataset)
    run = train(config, tmp_path / "run").run
    said = capsys.readouterr().err
    first, second = re.findall(r"^Step .*$", said, re.MULTILINE)
    rows = [row for row in read_log(run.log) if row["mean_iou"]]
    scores = [[float(row[name]) for name in ("mean_iou", "pixel_accuracy", "val_loss")] for row in rows]
    assert first == f"Step 2: {describe_scores(Validation(*scores[0]), None)}; 3 images."
    assert second == f"Step 4: {describe_scores(Validation(*scores[1]), Validation(*scores[0]))}; 3 images."
    before = evaluate(run.path, dataset).matrix.sum(axis=1)
    share = before[0] / before.sum()
    start = f"before the first step{',' if before.argmax() == 0 else ''} {share / 3:.2%} and {share:.2%}"
    assert said.count(start) == 2
    assert "Validation loss" in run.report.read_text()

    train(config, run.path, resume=True)
    assert "Step " not in capsys.readouterr().err  # nothing is scored again


@pytest.mark.slow
def test_a_net_that_has_learned_is_scored_on_a_sample_before_its_first_step(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcn.training.score_report.SAMPLE", 2)
    earlier = train(configured(dataset), tmp_path / "earlier").run
    capsys.readouterr()
    config = configured(dataset, steps=1)
    config = config.model_copy(
        update={"model": config.model.model_copy(update={"weights": str(earlier.path)})}
    )
    result = train(config, tmp_path / "run")
    said = capsys.readouterr().err
    sample = [image.example for image in result.evaluation.images][:2]
    scores = evaluate_examples(Predictor(earlier.path), sample).scores
    numbers = f"{scores.mean_iou:.2%}", f"{scores.pixel_accuracy:.2%}"
    images = "2 of 3 validation images"
    assert "Before the first step: mean IoU {}, pixel accuracy {} on {}.\n".format(*numbers, images) in said
    assert "; before the first step {} and {} ({})\n".format(*numbers, images) in said
