"""Tests of when a training is expected to end."""

from datetime import datetime

import pytest

from fcn.config.sections import TrainConfig
from fcn.training.callbacks import describe_progress
from fcn.training.pace import Pace

NOW = datetime(2026, 12, 24, 12, 0)


def walk(
    pace: Pace, first: int, last: int, seconds: float = 2, between: float = 0, scoring: float = 50
) -> None:
    """Takes steps with a clock of its own; the step after an evaluation begins later."""
    now = pace._ended or 0.0
    for step in range(first, last + 1):
        if pace._ended is not None:
            now += scoring if (step - 1) % pace.train.evaluate_steps == 0 else between
        pace.begin_step(step, now)
        now += seconds
        pace.end_step(step, now)


def test_tracing_is_left_out() -> None:
    pace = Pace(TrainConfig(steps=100, batch_size=8, evaluate_steps=1000))
    walk(pace, 1, 1, seconds=90)
    assert (pace.seconds_left, pace.images_per_second) == (None, None)
    assert describe_progress(pace, 1, 3.0, NOW) == "step 1/100, loss 3.000"
    walk(pace, 2, 11)
    assert pace.images_per_second == pytest.approx(4)
    walk(pace, 12, 12, seconds=90)  # of images of another size
    walk(pace, 13, 20)
    assert pace.seconds_left == pytest.approx(80 * 2)
    assert describe_progress(pace, 20, 0.5, NOW) == (
        "step 20/100, loss 0.500, 4.0 images/s, ends about 12:02 (in 3 min, scoring not included)"
    )


def test_scoring_is_counted_as_often_as_it_comes() -> None:
    pace = Pace(TrainConfig(steps=95, evaluate_steps=20))
    walk(pace, 1, 20, between=0.5)
    assert not pace.knows_scoring
    walk(pace, 21, 30, between=0.5)
    assert pace.knows_scoring
    scorings = 4  # after 40, 60, 80 and 95
    assert pace.seconds_left == pytest.approx(65 * 2.5 + scorings * (50 - 0.5))
    assert "(in 7 min)" in describe_progress(pace, 30, 0.5, NOW)
    walk(pace, 31, 95, between=0.5)
    assert pace.seconds_left == pytest.approx(0)


def test_a_resumed_training_traces_again() -> None:
    pace = Pace(TrainConfig(steps=100, evaluate_steps=1000), step=50)
    walk(pace, 51, 51, seconds=90)
    walk(pace, 52, 60)
    assert pace.seconds_left == pytest.approx(80)


def test_it_follows_a_machine_that_becomes_slower() -> None:
    pace = Pace(TrainConfig(steps=1000, evaluate_steps=10_000))
    walk(pace, 1, 300)
    walk(pace, 301, 600, seconds=6)
    assert pace.seconds_left == pytest.approx(400 * 6)
