"""Tests of how many channels each layer keeps."""

import math

import numpy as np
import pytest

import fcn
from fcn.errors import RunError
from fcn.slimming.budget import choose_equal_counts, fit_budget
from fcn.slimming.connections import LAYERS, count_channels
from fcn.slimming.cost import NetCost, measure_cost
from fcn.slimming.importance import Importance

SIZE = (96, 128)


@pytest.fixture(scope="module")
def cost() -> NetCost:
    return measure_cost(fcn.build_model("fcn8s", num_classes=5, width=1 / 4, fc_channels=256), SIZE)


@pytest.fixture(scope="module")
def full() -> dict[str, int]:
    return count_channels(fcn.build_model("fcn8s", num_classes=5, width=1 / 4, fc_channels=256))


def draw_importance(full: dict[str, int], seed: int) -> Importance:
    rng = np.random.default_rng(seed)
    return {name: rng.lognormal(rng.normal(), 2, count) for name, count in full.items()}


@pytest.mark.parametrize("speedup", [1.1, 2, 4, 10])
@pytest.mark.parametrize("fc_channels", [None, 100])
def test_a_budget_is_met_closely_and_never_exceeded(
    cost: NetCost, full: dict[str, int], speedup: float, fc_channels: int | None
) -> None:
    gflop = cost.gflop(full | ({} if fc_channels is None else {"fc6": 100, "fc7": 100})) / speedup
    for seed in range(3):
        counts = fit_budget(draw_importance(full, seed), cost, gflop, fc_channels)
        assert 0.98 * gflop <= cost.gflop(counts) <= gflop
        assert all(1 <= counts[name] <= full[name] for name in LAYERS)
        assert fc_channels is None or counts["fc6"] == counts["fc7"] == fc_channels


def test_layers_that_matter_less_lose_more(cost: NetCost, full: dict[str, int]) -> None:
    importance: Importance = {name: np.full(count, 1.0) for name, count in full.items()}
    importance["block4_conv2"] = np.where(np.arange(full["block4_conv2"]) < 100, 0.0, 1.0)
    counts = fit_budget(importance, cost, 0.9 * cost.gflop(full))
    assert {name for name, count in counts.items() if count < full[name]} == {"block4_conv2"}
    important = importance | {"block4_conv2": np.full(full["block4_conv2"], 1e6)}
    assert fit_budget(important, cost, 0.5 * cost.gflop(full))["block4_conv2"] == full["block4_conv2"]


def test_layers_keep_at_least_a_part_of_an_equal_share(cost: NetCost, full: dict[str, int]) -> None:
    gflop = cost.gflop(full) / 4
    for seed in range(3):
        counts = fit_budget(draw_importance(full, seed), cost, gflop, least_share=0.75)
        assert all(counts[name] >= 0.75 * 0.5 * full[name] for name in LAYERS)
        assert 0.98 * gflop <= cost.gflop(counts) <= gflop


def test_a_budget_that_cannot_be_met_is_refused(cost: NetCost, full: dict[str, int]) -> None:
    importance = draw_importance(full, 0)
    with pytest.raises(RunError, match="fewer GFLOP than"):
        fit_budget(importance, cost, cost.gflop(full))
    with pytest.raises(RunError, match=r"too few channels.*a larger budget"):
        fit_budget(importance, cost, 1e-6)
    with pytest.raises(RunError, match="at most the 256 channels that fc6 has"):
        fit_budget(importance, cost, 0.5 * cost.gflop(full), 257)
    with pytest.raises(RunError, match="fc_channels=257"):
        choose_equal_counts(full, 0.5, 257)


def test_a_budget_that_the_given_channels_meet_needs_no_others(cost: NetCost, full: dict[str, int]) -> None:
    given = full | {"fc6": 100, "fc7": 100}
    gflop = (cost.gflop(full) + cost.gflop(given)) / 2
    assert fit_budget(draw_importance(full, 0), cost, gflop, 100) == given
    assert fit_budget(draw_importance(full, 0), cost, cost.gflop(given), 100) == given


def test_equal_shares(full: dict[str, int]) -> None:
    assert choose_equal_counts(full, 1.0, None) == full
    counts = choose_equal_counts(full, 0.5, 30)
    assert counts["fc6"] == counts["fc7"] == 30
    assert all(counts[name] == full[name] / 2 for name in LAYERS if name not in ("fc6", "fc7"))
    assert min(choose_equal_counts(full, 1e-9, None).values()) == 1
    assert math.isclose(sum(choose_equal_counts(full, 0.25, None).values()) / sum(full.values()), 0.25)
