from itertools import product

import loss_formulas as formulas
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from fcn.classes import VOID
from fcn.config.sections import LossConfig
from fcn.evaluation.metrics import Scores, confusion_matrix
from fcn.training.loss import build_loss

DICE = build_loss(LossConfig(terms={"dice": 1.0}), None)
LOVASZ = build_loss(LossConfig(terms={"lovasz": 1.0}), None)
FEW = settings(max_examples=30, deadline=None)


def batch(seed: int, classes: tuple[int, ...] = (0, 1, 3, VOID)) -> tuple[np.ndarray, np.ndarray]:
    """Class 2 of 4 is absent."""
    rng = np.random.default_rng(seed)
    label = rng.choice(classes, (2, 3, 5))
    label[0, 0, 0] = 0  # never void alone
    return label, 2 * rng.standard_normal((2, 3, 5, 4)).astype(np.float32)


def certain(prediction: np.ndarray) -> np.ndarray:
    return 200 * np.eye(4, dtype=np.float32)[prediction]


@FEW
@given(seed=st.integers(0, 10**6))
def test_both_equal_the_formulas(seed: int) -> None:
    label, logits = batch(seed)
    assert float(DICE(label, logits)) == pytest.approx(formulas.dice(label, logits), rel=1e-5)
    assert float(LOVASZ(label, logits)) == pytest.approx(formulas.lovasz(label, logits), rel=1e-5)


@FEW
@given(seed=st.integers(0, 10**6))
def test_certain_predictions_cost_one_minus_the_score(seed: int) -> None:
    label, _ = batch(seed)
    prediction = np.random.default_rng(seed + 1).integers(0, 4, label.shape)
    matrix = confusion_matrix(label, prediction, 4)
    present = matrix.sum(axis=1) > 0
    iou = Scores.from_matrix(matrix).class_iou[present]
    f1 = 2 * iou / (1 + iou)
    assert float(LOVASZ(label, certain(prediction))) == pytest.approx(1 - iou.mean(), abs=1e-6)
    assert float(DICE(label, certain(prediction))) == pytest.approx(1 - f1.mean(), abs=1e-6)


@FEW
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([0.0, 1.0, 1000.0]))
def test_both_stay_in_0_to_1(seed: int, scale: float) -> None:
    label, logits = batch(seed)
    for loss in (DICE, LOVASZ):
        assert 0 <= float(loss(label, scale * logits)) <= 1 + 1e-6


def test_a_right_prediction_costs_nothing() -> None:
    label, _ = batch(0)
    logits = certain(np.where(label == VOID, 2, label))
    # The probability of a certain class is 1 but for rounding, which differs between processors.
    for loss in (DICE, LOVASZ):
        assert float(loss(label, logits)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_lovasz_is_the_tightest_convex_extension(seed: int) -> None:
    # The least mean of the Jaccard loss over any mixture of sets of wrong pixels that makes each pixel
    # wrong as often as its error says: a linear program over all 2 ** 6 sets.
    rng = np.random.default_rng(seed)
    label = np.array([[[0, 0, 1, 1, 1, 0]]]) if seed else np.array([[[0, 1, 1, 1, 1, 1]]])
    logits = rng.standard_normal((1, 1, 6, 2)).astype(np.float32)
    truth, probabilities = formulas.labeled(label, logits)
    sets = np.array(list(product([False, True], repeat=6)))
    losses = []
    for own in (0, 1):
        errors = np.abs((truth == own) - probabilities[:, own])
        costs = [formulas.jaccard(wrong, truth == own) for wrong in sets]
        rows = np.vstack([sets.T, np.ones(len(sets))])
        losses.append(linprog(costs, A_eq=rows, b_eq=[*errors, 1.0]).fun)
    assert float(LOVASZ(label, logits)) == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("loss", [DICE, LOVASZ], ids=["dice", "lovasz"])
def test_the_gradient_is_the_slope(loss: object) -> None:
    label, logits = batch(3)
    formula = formulas.dice if loss is DICE else formulas.lovasz
    direction = np.random.default_rng(9).standard_normal(logits.shape)
    step = 1e-6
    ahead, behind = (formula(label, logits + sign * step * direction) for sign in (1, -1))
    found = formulas.gradient(loss, label, logits)
    assert np.sum(found * direction) == pytest.approx((ahead - behind) / (2 * step), rel=1e-4)


def test_lovasz_keeps_its_digits_over_many_pixels() -> None:
    # A class of few pixels among many: neighboring values of the Jaccard loss differ by less than
    # float32 can tell close to 1.
    rng = np.random.default_rng(0)
    label = np.zeros((1, 300, 400), int)
    label[0, :2, :2] = 1
    logits = rng.standard_normal((1, 300, 400, 2)).astype(np.float32)
    truth, probabilities = formulas.labeled(label, logits)
    assert float(LOVASZ(label, logits)) == pytest.approx(_sorted(truth, probabilities), rel=1e-6)
    found = formulas.gradient(LOVASZ, label, logits)
    assert (found[label == 0] > 0)[:, 1].mean() > 0.999  # each pixel of the ground should say 1 less


def _sorted(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Returns the loss by algorithm 1 of Berman et al., in float64."""
    losses = []
    for own in (0, 1):
        errors = np.abs((truth == own) - probabilities[:, own])
        order = np.argsort(-errors)
        hit = (truth == own)[order]
        values = 1 - (hit.sum() - np.cumsum(hit)) / (hit.sum() + np.cumsum(~hit))
        losses.append(errors[order] @ np.diff(values, prepend=0.0))
    return float(np.mean(losses))
