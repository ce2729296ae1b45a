import keras
import numpy as np
import pytest

from fcn.sections import TrainConfig
from fcn.training.optimizer import PolySchedule, build_optimizer


def test_poly_is_the_published_formula() -> None:
    schedule = PolySchedule(0.5, steps=200, power=0.9, warmup_steps=0)
    for step in (0, 1, 50, 199, 200):
        assert float(schedule(step)) == pytest.approx(0.5 * (1 - step / 200) ** 0.9, rel=1e-5)


def test_constant_stays() -> None:
    optimizer = build_optimizer(TrainConfig(learning_rate=0.25, steps=10, schedule="constant"))
    variable = keras.Variable([1.0])
    optimizer.build([variable])
    for _ in range(10):
        assert float(optimizer.learning_rate) == pytest.approx(0.25)
        optimizer.apply([np.zeros(1, np.float32)])


def test_warmup_rises_in_a_straight_line() -> None:
    schedule = PolySchedule(1.0, steps=100, power=0.0, warmup_steps=4)
    assert [float(schedule(step)) for step in range(6)] == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_sgd_with_momentum_by_hand() -> None:
    # v1 = -0.1 * 1, w = 2 - 0.1; v2 = 0.5 * v1 - 0.1 * 3, w = 1.9 - 0.35
    optimizer = build_optimizer(TrainConfig(learning_rate=0.1, steps=9, momentum=0.5, weight_decay=0.0))
    variable = keras.Variable([2.0])
    optimizer.build([variable])
    optimizer.apply([np.ones(1, np.float32)])
    assert float(variable[0]) == pytest.approx(1.9)
    optimizer.apply([np.full(1, 3, np.float32)])
    assert float(variable[0]) == pytest.approx(1.55)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_decay_acts_on_kernels_only(name: str) -> None:
    config = TrainConfig(optimizer=name, learning_rate=0.1, steps=9, weight_decay=0.5)
    optimizer = build_optimizer(config)
    variables = [keras.Variable([1.0], name=name) for name in ("kernel", "bias", "gamma", "beta")]
    optimizer.build(variables)
    optimizer.apply([np.zeros(1, np.float32)] * 4)
    assert [float(variable[0]) for variable in variables] == pytest.approx([1 - 0.1 * 0.5, 1, 1, 1])
