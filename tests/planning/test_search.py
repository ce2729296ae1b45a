"""Tests of the search for what fits, on trials whose costs are given by a formula."""

from pathlib import Path

import pytest

from fcn.config.file import Config
from fcn.errors import ConfigError
from fcn.planning.search import ENOUGH_STEPS, MARGIN, Option, Search, TrialResult
from fcn.planning.shapes import choose_shapes
from fcn.training.cost import FEWEST_STEPS, Cost

SHAPES = choose_shapes((500, 500))


class Formula(Search):
    """Takes no steps: memory and time of a trial are in proportion to the pixels of the net.

    Attributes:
        same_seconds: Time of a step that is the same for all sizes.
        slowness: How much longer a step of the first trial seems to take, as on a busy machine.
    """

    same_seconds = 0.0
    slowness = 1.0

    def _try(self, option: Option, most_step_seconds: float | None) -> TrialResult:
        batch, pixels = self.config.train.batch_size, option.shape.net_pixels
        peak = int(1e9 + 1e3 * pixels * batch / option.accumulate)
        seconds = 1e-5 * pixels * batch * (0.4 if option.precision == "bfloat16" else 1)
        seconds = self.same_seconds + seconds * (1 if self.trials else self.slowness)
        steps = 3 if seconds > (most_step_seconds or seconds) else FEWEST_STEPS
        cost = Cost(steps, 9.0, seconds, 0.0, 0.0, 0.0, "CPU", None)
        if self.limit_bytes is not None and peak > MARGIN * self.limit_bytes:
            cost = None
        self.trials.append(TrialResult(option, cost, peak))
        return self.trials[-1]


def search(limit_bytes: float | None, hours: float, **train) -> Formula:
    config = Config.model_validate({"data": {"root": Path("data")}, "train": {"batch_size": 8, **train}})
    return Formula(config, None, limit_bytes, 3600 * hours, on_accelerator=False)


def test_devices_that_cannot_share_a_batch_are_told() -> None:
    with pytest.raises(ConfigError, match=r"batch_size=2: expected a multiple of train\.devices=4"):
        search(None, 24, batch_size=2, devices=4).find(SHAPES)


def test_with_time_and_memory_the_first_is_taken_in_one_trial() -> None:
    trials = search(None, 24)
    found = trials.find(SHAPES)
    assert (found.option.shape, found.option.accumulate, len(trials.trials)) == (SHAPES[0], 1, 1)


@pytest.mark.parametrize("gigabytes", [1.3, 1.5, 1.7, 2.0, 2.5, 3.0, 4.0, 9.0])
def test_the_first_option_that_fits_is_found(gigabytes: float) -> None:
    trials = search(1e9 * gigabytes, 24)
    found = trials.find(SHAPES)
    room = (MARGIN * gigabytes - 1) * 1e9 / 1e3
    parts = [part for part in (1, 2, 4, 8) if SHAPES[0].net_pixels * 8 / part <= room]
    if parts:
        assert (found.option.shape, found.option.accumulate) == (SHAPES[0], parts[0])
    else:
        first = next(shape for shape in SHAPES if shape.net_pixels <= room)
        assert (found.option.shape, found.option.accumulate) == (first, 8)
    assert len(trials.trials) <= 7
    assert found in trials.trials


@pytest.mark.parametrize("hours", [0.01, 0.1, 0.3, 0.5, 1.0, 2.0])
def test_examples_are_small_enough_for_the_time(hours: float) -> None:
    trials = search(None, hours)
    found = trials.find(SHAPES)
    assert found.cost is not None
    assert found.cost.steps == FEWEST_STEPS  # what is chosen was tried as a whole
    smallest = [shape for shape in SHAPES if not shape.is_reserve][-1]
    enough = found.cost.step_seconds <= 3600 * hours / ENOUGH_STEPS
    assert enough or found.option.shape == smallest
    assert len(trials.trials) <= 4


@pytest.mark.parametrize(("same_seconds", "slowness"), [(1.0, 4.0), (0.0, 8.0)])
@pytest.mark.parametrize("gigabytes", [None, 1.3, 1.5, 2.0])
def test_examples_grow_again_where_the_first_trial_seemed_too_slow(
    same_seconds: float, slowness: float, gigabytes: float | None
) -> None:
    trials = search(None if gigabytes is None else 1e9 * gigabytes, 0.6)
    trials.same_seconds, trials.slowness = same_seconds, slowness
    found = trials.find(SHAPES)
    most = 3600 * 0.6 / ENOUGH_STEPS
    assert found.cost is not None
    assert found.cost.step_seconds <= most
    assert found.cost.steps == FEWEST_STEPS
    assert found in trials.trials
    tried = [one for one in trials.trials if one.cost is not None and one.cost.steps == FEWEST_STEPS]
    pixels = [one.option.shape.net_pixels for one in tried]
    assert found.option.shape.net_pixels == max(pixels)
    if gigabytes is None:
        assert len(trials.trials) <= 4
        assert max(pixels) > pixels[0]
    else:
        assert found.peak_bytes is not None
        assert found.peak_bytes <= MARGIN * 1e9 * gigabytes


def test_too_little_memory_and_devices_that_share_a_batch() -> None:
    with pytest.raises(
        ConfigError, match=r"--memory 1: is too little memory for a step of fcn8s with 1 image"
    ):
        search(1e9, 24).find(SHAPES)
    assert search(2.5e9, 24, devices=4).find(SHAPES).option.accumulate == 2


def test_bfloat16_is_taken_where_it_is_faster() -> None:
    trials = search(None, 24)
    assert trials.in_bfloat16(trials.find(SHAPES)).option.precision == "bfloat16"
