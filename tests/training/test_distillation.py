"""A net and its teacher as one model."""

from pathlib import Path

import keras
import numpy as np
import pytest

from fcn.classes import UNLABELED
from fcn.config.file import Config
from fcn.models.fcn import FCN
from fcn.training.compiling import compile_net
from fcn.training.distillation import TaughtNet, learner_of
from fcn.training.teacher import Teacher

pytestmark = pytest.mark.usefixtures("eager")
SETTINGS = {"learning_rate": 0.02, "momentum": 0.0, "weight_decay": 0.0, "steps": 99, "batch_size": 2}


def configured(weight: float = 0.5, **train: object) -> Config:
    loss = {"distillation": weight, "distillation_temperature": 2.0}
    train = {"teacher": "runs/large", **SETTINGS, **train}
    return Config.model_validate({"data": {"root": Path("x")}, "loss": loss, "train": train})


def taught(net: FCN, teacher: FCN, config: Config) -> keras.Model:
    """Returns a net beside its teacher, compiled."""
    teacher.trainable = False
    compile_net(net, config, None)
    learner = learner_of(net, Teacher("runs/large", teacher, ""), config)
    assert isinstance(learner, TaughtNet)
    return learner


@pytest.fixture
def batch(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two images without void: each term is a mean over as many pixels."""
    images = rng.integers(0, 256, (2, 16, 16, 3)).astype(np.float32)
    return images, rng.integers(0, 3, (2, 16, 16)).astype(np.int32)


def unlabeled(label: np.ndarray) -> np.ndarray:
    return np.full_like(label, UNLABELED)


def test_a_step_is_the_sum_of_both_terms(thin_net, batch: tuple[np.ndarray, np.ndarray]) -> None:
    images, label = batch
    teacher, plain, alone, together = (thin_net(seed=seed, dropout=0.0) for seed in (1, 0, 0, 0))
    start = plain.get_weights()
    compile_net(plain, configured(), None)
    plain.train_on_batch(images, label)
    taught(alone, teacher, configured()).train_on_batch(images, unlabeled(label))
    before = teacher.get_weights()
    taught(together, teacher, configured()).train_on_batch(images, label)
    moved = 0.0
    for first, one, other, both in zip(
        start, plain.get_weights(), alone.get_weights(), together.get_weights(), strict=True
    ):
        np.testing.assert_allclose(both - first, (one - first) + (other - first), atol=1e-5)
        moved = max(moved, float(np.abs(other - first).max()))
    assert moved > 1e-3
    for one, other in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_net_that_is_its_teacher_learns_nothing_from_it(
    thin_net, batch: tuple[np.ndarray, np.ndarray]
) -> None:
    images, label = batch
    teacher, net = thin_net(dropout=0.0), thin_net(dropout=0.0)
    before = net.get_weights()
    learner = taught(net, teacher, configured())
    assert float(learner.train_on_batch(images, unlabeled(label))) == pytest.approx(0, abs=1e-6)
    for one, other in zip(before, net.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_teacher_is_asked_without_dropout(thin_net, batch: tuple[np.ndarray, np.ndarray]) -> None:
    images, _ = batch
    teacher, net = thin_net(dropout=0.9, seed=1, batch_normalization=True), thin_net(dropout=0.0)
    both = taught(net, teacher, configured())(images, training=True)
    np.testing.assert_array_equal(np.asarray(both)[..., 3:], np.asarray(teacher(images, training=False)))
    assert learner_of(net, None, configured()) is net


@pytest.mark.slow
def test_it_learns_from_the_teacher_alone(thin_net, batch: tuple[np.ndarray, np.ndarray]) -> None:
    images, label = batch
    teacher, net = thin_net(32, awake=False), thin_net(32, dropout=0.0, awake=False, seed=1)
    teacher.get_layer("score_fr").bias.assign([2.0, 0.0, -1.0])
    learner = taught(net, teacher, configured(1.0, learning_rate=1.0))
    losses = [float(learner.train_on_batch(images, unlabeled(label))) for _ in range(12)]
    assert losses[-1] < losses[0] / 10
    assert np.asarray(net(images)).argmax(axis=-1).max() == 0  # the class that the teacher sees everywhere
