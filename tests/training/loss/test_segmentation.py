from typing import get_args

import keras
import loss_formulas as formulas
import numpy as np
import pytest
from pydantic import ValidationError

from fcn.classes import VOID
from fcn.config.loss import LossTerm
from fcn.config.sections import LossConfig
from fcn.training.loss import SegmentationLoss, VoidCrossentropy, build_loss

TERMS = get_args(LossTerm)
REGIONS = ("dice", "lovasz")
OPTIONS = {"ohem": {"threshold": 0.7, "min_kept": 1 / 16}, "focal": {"gamma": 2.0}}
"""Arguments of the formulas that have the defaults of a configuration."""
SUM = {"cross_entropy": 1.0, "ohem": 0.5, "focal": 2.0, "dice": 0.25, "lovasz": 3.0}
WEIGHTS = np.array([0.5, 1.0, 4.0])


def all_of_them(**options: object) -> SegmentationLoss:
    config = LossConfig(terms=SUM, class_weights=(0.5, 1.0, 4.0), label_smoothing=0.1, **options)
    return build_loss(config, WEIGHTS)


def losses() -> dict[str, SegmentationLoss]:
    alone = {term: build_loss(LossConfig(terms={term: 1.0}), None) for term in TERMS}
    return {**alone, "sum": all_of_them(), "plain": VoidCrossentropy()}


def by_hand(label: np.ndarray, logits: np.ndarray) -> float:
    """Returns the loss `all_of_them` computes."""
    return float(
        formulas.cross_entropy(label, logits, WEIGHTS, 0.1)
        + 0.5 * formulas.ohem(label, logits, 0.7, 1 / 16, weights=WEIGHTS, smoothing=0.1)
        + 2.0 * formulas.focal(label, logits, 2.0, WEIGHTS)
        + 0.25 * formulas.dice(label, logits)
        + 3.0 * formulas.lovasz(label, logits)
    )


@pytest.fixture
def batch(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    label = rng.choice([0, 1, 2, VOID], (3, 4, 5))
    return label, 2 * rng.standard_normal((3, 4, 5, 3)).astype(np.float32)


@pytest.mark.parametrize("name", [*TERMS, "sum", "plain"])
@pytest.mark.parametrize("there", [0.0, 1e30, np.inf, -np.inf, np.nan])
def test_void_has_no_gradient(name: str, there: float, batch: tuple[np.ndarray, np.ndarray]) -> None:
    label, logits = batch
    expected = float(losses()[name](label, logits))
    logits[label == VOID, 1] = there
    assert float(losses()[name](label, logits)) == expected
    found = formulas.gradient(losses()[name], label, logits)
    assert (found[label == VOID].view(np.uint32) == 0).all()  # not even -0.0
    assert np.isfinite(found).all()
    assert (found[label != VOID] != 0).any()


@pytest.mark.parametrize("name", [*TERMS, "sum", "plain"])
def test_a_batch_of_void_costs_nothing(name: str) -> None:
    label, logits = np.full((2, 3, 4), VOID), np.ones((2, 3, 4, 3), np.float32)
    assert float(losses()[name](label, logits)) == 0
    assert (formulas.gradient(losses()[name], label, logits).view(np.uint32) == 0).all()


def test_classes_of_no_weight_cost_nothing() -> None:
    loss = build_loss(LossConfig(class_weights=(0.0, 1.0, 1.0)), [0.0, 1.0, 1.0])
    label, logits = np.zeros((1, 2, 2), int), np.ones((1, 2, 2, 3), np.float32)
    assert float(loss(label, logits)) == 0
    assert (formulas.gradient(loss, label, logits) == 0).all()


@pytest.mark.parametrize("name", TERMS)
def test_half_precision_is_computed_in_float32(name: str, batch: tuple[np.ndarray, np.ndarray]) -> None:
    label, logits = batch
    rounded = keras.ops.cast(logits, "bfloat16")
    found = losses()[name](label, rounded)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert float(found) == float(losses()[name](label, keras.ops.cast(rounded, "float32")))


@pytest.mark.parametrize("name", TERMS)
def test_each_term_equals_its_formula(name: str, batch: tuple[np.ndarray, np.ndarray]) -> None:
    expected = getattr(formulas, name)(*batch, **OPTIONS.get(name, {}))
    assert float(losses()[name](*batch)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", REGIONS)
def test_a_term_of_regions_has_no_sum(name: str) -> None:
    with pytest.raises(ValidationError, match=f"{name} cannot be summed over pixels"):
        LossConfig(terms={name: 1.0}, reduction="sum")


@pytest.mark.parametrize("name", [name for name in TERMS if name not in REGIONS])
def test_a_sum_doubles_with_the_batch(name: str, batch: tuple[np.ndarray, np.ndarray]) -> None:
    loss = build_loss(LossConfig(terms={name: 1.0}, reduction="sum"), None)
    twice = [np.concatenate([part, part]) for part in batch]
    assert float(loss(*twice)) == pytest.approx(2 * float(loss(*batch)), rel=1e-5)


def test_terms_are_added_up(batch: tuple[np.ndarray, np.ndarray]) -> None:
    assert float(all_of_them()(*batch)) == pytest.approx(by_hand(*batch), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("eagerly", [True, False], ids=["eager", "compiled"])
def test_fit_and_evaluate_report_the_loss_of_the_batch(
    eagerly: bool, batch: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
) -> None:
    label, _ = batch
    image = rng.standard_normal((3, 4, 5, 2)).astype(np.float32)
    kernel = rng.standard_normal((2, 3)).astype(np.float32)
    layer = keras.layers.Conv2D(3, 1, use_bias=False)
    model = keras.Sequential([keras.Input((None, None, 2)), layer])
    layer.set_weights([kernel[None, None]])
    model.compile("sgd", loss=all_of_them(), run_eagerly=eagerly)
    expected = pytest.approx(by_hand(label, image @ kernel), rel=1e-5)
    assert model.evaluate(image, label, batch_size=3, verbose=0) == expected
    history = model.fit(image, label, batch_size=3, verbose=0).history
    assert history["loss"] == [expected]
    slope = np.einsum("bhwi,bhwo->io", image, formulas.gradient(all_of_them(), label, image @ kernel))
    assert layer.get_weights()[0][0, 0] == pytest.approx(kernel - 0.01 * slope, abs=1e-6)


@pytest.mark.slow
def test_a_training_step_runs_under_xla(batch: tuple[np.ndarray, np.ndarray]) -> None:
    if keras.backend.backend() == "torch":
        pytest.skip("PyTorch has no XLA")
    label, logits = batch
    layer = keras.layers.Conv2D(3, 1)
    model = keras.Sequential([keras.Input((4, 5, 3)), layer])
    layer.set_weights([np.eye(3)[None, None], np.zeros(3)])
    model.compile("sgd", loss=all_of_them(), jit_compile=True)
    found = model.fit(logits, label, batch_size=3, verbose=0).history["loss"]
    assert found == [pytest.approx(by_hand(label, logits), rel=1e-5)]


def test_any_size_runs_in_one_graph() -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("other backends compile each size by itself")
    import tensorflow as tf

    loss = all_of_them()
    shapes = [tf.TensorSpec([None, None, None], tf.int32), tf.TensorSpec([None, None, None, 3])]
    graph = tf.function(loss, input_signature=shapes)
    rng = np.random.default_rng(1)
    for size in ((1, 3, 4), (2, 7, 5)):
        label = rng.choice([0, 1, 2, VOID], size)
        logits = rng.standard_normal((*size, 3)).astype(np.float32)
        assert float(graph(label.astype(np.int32), logits)) == pytest.approx(by_hand(label, logits), rel=1e-5)


@pytest.mark.parametrize("loss", losses().values(), ids=losses().keys())
def test_makes_itself_again(loss: SegmentationLoss, batch: tuple[np.ndarray, np.ndarray]) -> None:
    saved = keras.saving.serialize_keras_object(loss)
    assert saved["registered_name"] == f"fcn>{type(loss).__name__}"
    again = keras.saving.deserialize_keras_object(saved)
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert float(again(*batch)) == float(loss(*batch))


def test_plain_cross_entropy_is_the_default(batch: tuple[np.ndarray, np.ndarray]) -> None:
    assert float(VoidCrossentropy()(*batch)) == float(build_loss(LossConfig(), None)(*batch))


def test_wrong_calls_are_refused(batch: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ValueError, match=r"None where not\. Received: class_weights=\[1\.0\]"):
        build_loss(LossConfig(), [1.0])
    with pytest.raises(ValueError, match=r"class_weights=None for loss\.class_weights='median_frequency'"):
        build_loss(LossConfig(class_weights="median_frequency"), None)
    two = build_loss(LossConfig(class_weights="median_frequency"), [1.0, 2.0])
    with pytest.raises(ValueError, match=r"each of the 3 channels.*Received: 2 weights"):
        two(*batch)
    with pytest.raises(ValueError, match="sample_weight"):
        VoidCrossentropy()(*batch, np.ones(3))
    options = build_loss(LossConfig(), None).get_config()
    with pytest.raises(ValueError, match="Received: 'hinge'"):
        SegmentationLoss(**{**options, "terms": {"hinge": 1.0}})(*batch)
