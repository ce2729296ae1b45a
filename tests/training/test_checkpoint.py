from pathlib import Path

import keras
import numpy as np
import pytest

from fcn.config.sections import TrainConfig
from fcn.errors import RunError
from fcn.models.fcn import FCN
from fcn.runs.model_file import save_checkpoint
from fcn.training.checkpoint import Position, restore_training, save_training
from fcn.training.loss import VoidCrossentropy
from fcn.training.optimizer import build_optimizer
from fcn.training.patterns import freeze

# A graph takes longer to trace than the few steps of each net.
WITHOUT_GRAPHS = {"run_eagerly": keras.backend.backend() == "tensorflow", "jit_compile": False}


def compiled(seed: int, optimizer: str = "adamw", **options: int) -> FCN:
    keras.utils.set_random_seed(seed)
    model = FCN(**{"num_classes": 3, "width": 1 / 32, "fc_channels": 16, **options})
    optimizer = build_optimizer(TrainConfig(steps=100, learning_rate=0.01, optimizer=optimizer))
    model.compile(optimizer=optimizer, loss=VoidCrossentropy(), **WITHOUT_GRAPHS)
    return model


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (2, 33, 33, 3)).astype(np.float32), rng.integers(0, 3, (2, 33, 33))


@pytest.fixture(scope="module")
def trained(batch, tmp_path_factory) -> tuple[FCN, Path]:
    """A net after two steps, and its checkpoint."""
    model, path = compiled(seed=1), tmp_path_factory.mktemp("run") / "last.keras"
    for _ in range(2):
        model.train_on_batch(*batch)
    save_training(model, path, Position(2, (0.5, 0.1 + 0.2), first_loss=0.1 + 0.7))
    return model, path


def test_a_checkpoint_is_an_ordinary_keras_file(trained, batch) -> None:
    model, path = trained
    again = keras.models.load_model(path)
    np.testing.assert_array_equal(again(batch[0]), model(batch[0]))


def test_a_restored_training_takes_the_very_same_steps(trained, batch) -> None:
    model, path = trained
    again = compiled(seed=2)
    position = restore_training(again, path, again.classes)
    assert position == Position(2, (0.5, 0.1 + 0.2), first_loss=0.1 + 0.7)
    for _ in range(2):  # dropout makes a wrong random state visible
        model.train_on_batch(*batch)
        again.train_on_batch(*batch)
    assert int(again.optimizer.iterations) == 4
    for one, other in zip(model.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)
    for one, other in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)


def test_a_damaged_checkpoint_is_said_to_be(trained, tmp_path: Path) -> None:
    whole = trained[1].read_bytes()
    path = tmp_path / "last.keras"
    for length in (0, 1000, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:length])
        with pytest.raises(RunError, match=r"last\.keras"):
            restore_training(compiled(seed=2), path, trained[0].classes)


def test_a_checkpoint_of_another_net_is_refused(trained) -> None:
    with pytest.raises(RunError, match="does not fit"):
        restore_training(compiled(seed=2, fc_channels=24), trained[1], trained[0].classes)


def test_an_optimizer_with_other_variables_is_refused(trained) -> None:
    model = compiled(seed=2, optimizer="sgd")
    before = [weight.numpy() for weight in model.weights]
    count = len(trained[0].optimizer.variables)
    with pytest.raises(
        RunError, match=rf"last\.keras: .*expected an optimizer with \d+ .*Received: {count}\."
    ):
        restore_training(model, trained[1], model.classes)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


@pytest.mark.slow
def test_a_training_with_frozen_layers_and_steps_in_parts_goes_on(batch, tmp_path: Path) -> None:
    config = TrainConfig(steps=100, freeze=("block1_*",), batch_size=4, accumulate=2, clip_norm=1.0)

    def started(seed: int) -> FCN:
        keras.utils.set_random_seed(seed)
        model = FCN(num_classes=3, width=1 / 32, fc_channels=16)
        freeze(model, config.freeze)
        model.compile(build_optimizer(config, model), VoidCrossentropy(), **WITHOUT_GRAPHS)
        return model

    model, again, path = started(1), started(2), tmp_path / "last.keras"
    for _ in range(3):
        model.train_on_batch(*batch)
    save_training(model, path, Position(1))
    assert restore_training(again, path, again.classes) == Position(1)
    for each in (model, again):
        each.train_on_batch(*batch)
    assert int(again.optimizer.iterations) == 2
    for one, other in zip(model.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)


def test_names_of_classes_in_a_checkpoint_are_checked(trained, tmp_path: Path) -> None:
    model, _ = trained
    path = tmp_path / "last.keras"
    save_checkpoint(model, path, {"step": 2, "seeds": {}, "class_names": [1, 2, 3]})
    with pytest.raises(RunError) as caught:
        restore_training(model, path, model.classes)
    assert str(caught.value) == (
        f"{path}: expected text as the name of class 0. Received: int. Delete it to start over."
    )
