import keras
import loss_formulas as formulas
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from sklearn.metrics import log_loss

from fcn.classes import VOID
from fcn.config.sections import LossConfig
from fcn.training.loss import SegmentationLoss, build_loss
from fcn.training.loss.pixel import LabeledPixels, hardest

WEIGHTS = (0.5, 1.0, 2.0, 4.0)
FEW = settings(max_examples=30, deadline=None)


def loss_of(**options: object) -> SegmentationLoss:
    config = LossConfig(**options)
    return build_loss(config, None if config.class_weights == "none" else config.class_weights)


def batch(seed: int = 0, scale: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = scale * rng.standard_normal((2, 5, 6, 4)).astype(np.float32)
    label = rng.choice([0, 1, 2, 3, VOID], (2, 5, 6))
    label[0, 0, 0] = 0  # never void alone
    return label, logits


def test_cross_entropy_equals_scikit_learn() -> None:
    label, logits = batch()
    truth, probabilities = formulas.labeled(label, logits)
    expected = log_loss(truth, probabilities, labels=[0, 1, 2, 3])
    assert float(loss_of()(label, logits)) == pytest.approx(expected, rel=1e-5)
    total = loss_of(reduction="sum")(label, logits)
    assert float(total) == pytest.approx(expected * len(truth), rel=1e-5)


def test_weighted_cross_entropy_equals_scikit_learn() -> None:
    label, logits = batch()
    truth, probabilities = formulas.labeled(label, logits)
    each = np.array(WEIGHTS)[truth]
    expected = log_loss(truth, probabilities, labels=[0, 1, 2, 3], sample_weight=each)
    assert float(loss_of(class_weights=WEIGHTS)(label, logits)) == pytest.approx(expected, rel=1e-5)
    total = loss_of(class_weights=WEIGHTS, reduction="sum")(label, logits)
    assert float(total) == pytest.approx(expected * each.sum(), rel=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weights", ["none", WEIGHTS])
def test_smoothing_equals_the_formula(weights: tuple[float, ...] | str, reduction: str) -> None:
    label, logits = batch()
    found = loss_of(label_smoothing=0.1, class_weights=weights, reduction=reduction)(label, logits)
    given_weights = None if weights == "none" else np.array(weights)
    expected = formulas.cross_entropy(label, logits, given_weights, 0.1, reduction=reduction)
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weights", ["none", WEIGHTS])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_equals_pytorch(
    weights: tuple[float, ...] | str, reduction: str, smoothing: float
) -> None:
    torch = pytest.importorskip("torch")
    label, logits = batch()
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(logits).movedim(-1, 1),
        torch.tensor(label),
        weight=None if weights == "none" else torch.tensor(weights),
        ignore_index=VOID,
        reduction=reduction,
        label_smoothing=smoothing,
    )
    found = loss_of(label_smoothing=smoothing, class_weights=weights, reduction=reduction)(label, logits)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_the_gradient_is_the_probabilities_less_the_truth() -> None:
    label, logits = batch()
    truth, probabilities = formulas.labeled(label, logits)
    found = formulas.gradient(loss_of(), label, logits)[label != VOID]
    assert found == pytest.approx((probabilities - np.eye(4)[truth]) / len(truth), abs=1e-7)


def test_cross_entropy_equals_keras_with_an_ignored_class() -> None:
    label, logits = batch()
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=VOID)(label, logits)
    assert float(loss_of()(label, logits)) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize(
    ("threshold", "min_kept"), [(0.3, 0.01), (0.7, 1 / 16), (0.9, 0.01), (1e-6, 0.25), (1e-6, 1e-6)]
)
def test_ohem_equals_the_formula(threshold: float, min_kept: float) -> None:
    label, logits = batch()
    found = loss_of(
        terms={"ohem": 1.0},
        ohem_threshold=threshold,
        ohem_min_kept=min_kept,
        label_smoothing=0.1,
        class_weights=WEIGHTS,
    )
    expected = formulas.ohem(label, logits, threshold, min_kept, weights=WEIGHTS, smoothing=0.1)
    assert float(found(label, logits)) == pytest.approx(expected, rel=1e-5)


def test_ohem_keeps_pixels_at_the_threshold() -> None:
    # Probabilities 1/2, and 0.73 beside it; with one share in ten, the threshold decides.
    pixels = LabeledPixels.of([[[0, 0]]], ops.array([[[[0.0, 0.0], [1.0, 0.0]]]]))
    for threshold, kept in ((0.5, [1, 0]), (0.6, [1, 0]), (0.8, [1, 1])):
        assert ops.convert_to_numpy(hardest(pixels, threshold, 0.1)).ravel().tolist() == kept


def test_ohem_sums_the_pixels_it_keeps() -> None:
    label, logits = batch()
    found = loss_of(terms={"ohem": 1.0}, reduction="sum")(label, logits)
    expected = formulas.ohem(label, logits, 0.7, 1 / 16, reduction="sum")
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_pixels_that_ohem_leaves_out_have_no_gradient() -> None:
    label, logits = batch()
    loss = loss_of(terms={"ohem": 1.0}, ohem_threshold=0.1)
    kept = ops.convert_to_numpy(hardest(LabeledPixels.of(label, logits), 0.1, 1 / 16)).astype(bool)
    found = formulas.gradient(loss, label, logits)
    assert 0 < kept.sum() < (label != VOID).sum()
    assert (found[~kept] == 0).all()
    assert (found[kept] != 0).all()


@FEW
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([0.1, 3.0, 100.0]))
def test_ohem_that_keeps_all_is_cross_entropy(seed: int, scale: float) -> None:
    label, logits = batch(seed, scale)
    expected = pytest.approx(float(loss_of()(label, logits)), rel=1e-6)
    assert float(loss_of(terms={"ohem": 1.0}, ohem_threshold=1.0)(label, logits)) == expected
    assert float(loss_of(terms={"ohem": 1.0}, ohem_min_kept=1.0)(label, logits)) == expected


@FEW
@given(seed=st.integers(0, 10**6), share=st.floats(0.001, 1.0))
def test_ohem_keeps_its_share(seed: int, share: float) -> None:
    label, logits = batch(seed)
    kept = ops.convert_to_numpy(hardest(LabeledPixels.of(label, logits), 1e-30, share)).astype(bool)
    labeled = int((label != VOID).sum())
    assert not kept[label == VOID].any()
    assert share * labeled - 1e-3 <= kept.sum() <= share * labeled + 1 + 1e-3


@pytest.mark.parametrize("weights", ["none", WEIGHTS])
@pytest.mark.parametrize("gamma", [1e-6, 0.5, 2.0, 5.0])
def test_focal_equals_the_formula(gamma: float, weights: tuple[float, ...] | str) -> None:
    label, logits = batch()
    found = loss_of(terms={"focal": 1.0}, focal_gamma=gamma, class_weights=weights)(label, logits)
    expected = formulas.focal(label, logits, gamma, None if weights == "none" else np.array(weights))
    assert float(found) == pytest.approx(expected, rel=1e-5)


@FEW
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([0.1, 3.0, 100.0]))
def test_focal_without_focus_is_cross_entropy(seed: int, scale: float) -> None:
    label, logits = batch(seed, scale)
    expected = float(loss_of(class_weights=WEIGHTS)(label, logits))
    for gamma in (0.0, 1e-7):
        found = loss_of(terms={"focal": 1.0}, focal_gamma=gamma, class_weights=WEIGHTS)(label, logits)
        assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_has_a_gradient_where_a_pixel_is_certain(gamma: float) -> None:
    logits = np.array([[[[200.0, 0.0], [-200.0, 0.0], [0.0, 0.0]]]], np.float32)
    label = np.zeros((1, 1, 3), int)
    found = formulas.gradient(loss_of(terms={"focal": 1.0}, focal_gamma=gamma), label, logits)
    assert np.isfinite(found).all()
    assert found[0, 0, 0] == pytest.approx([0, 0], abs=1e-6)
    assert found[0, 0, 1] == pytest.approx([-1 / 3, 1 / 3], rel=1e-5)  # where 1 - p is 1, as cross entropy


def test_weights_of_the_same_size_change_no_mean() -> None:
    label, logits = batch()
    for term in ("cross_entropy", "ohem", "focal"):
        plain = loss_of(terms={term: 1.0})(label, logits)
        twice = loss_of(terms={term: 1.0}, class_weights=(2.0,) * 4)(label, logits)
        assert float(twice) == pytest.approx(float(plain), rel=1e-6)
