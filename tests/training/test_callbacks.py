"""Tests of what is measured between the steps of a training."""

import math
import time
from types import SimpleNamespace

import pytest

from fcn.training.callbacks import DataWait


class Clock:
    """A clock that only advances when it is told to."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def call(wait: DataWait, clock: Clock, batch: int, seconds: float) -> None:
    wait.on_train_batch_begin(batch)
    clock.seconds += seconds
    wait.on_train_batch_end(batch)


def test_a_call_waits_until_its_last_example_is_ready(clock: Clock) -> None:
    stream = SimpleNamespace(read_at={})
    wait = DataWait(stream, call_size=2, start_call=3)
    stream.read_at = {6: 105.0, 7: 109.0}
    call(wait, clock, 0, 10)  # the first call does not count
    assert math.isnan(wait.share)
    stream.read_at |= {8: 111.0, 9: 114.0}  # ready 4 s after the call began, which takes 8 s
    call(wait, clock, 1, 8)
    assert wait.share == pytest.approx(4 / 8)
    stream.read_at |= {10: 117.0, 11: 118.0}  # ready before the call began
    call(wait, clock, 2, 8)
    assert wait.share == pytest.approx(4 / 16)
    assert not stream.read_at  # passed examples are forgotten


def test_what_happens_between_calls_is_no_waiting(clock: Clock) -> None:
    wait = DataWait(SimpleNamespace(read_at={}), call_size=1, start_call=0)
    for batch in range(3):
        call(wait, clock, batch, 1)
        clock.seconds += 100  # scores, checkpoints
    assert wait.share == 0
