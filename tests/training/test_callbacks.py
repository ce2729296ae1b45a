"""Tests of what is measured between the steps of a training."""

import math
import re
import time
from types import SimpleNamespace

import pytest

from fcn.config.sections import TrainConfig
from fcn.system.progress import track, track_count
from fcn.training.callbacks import DataWait, ProgressReport
from fcn.training.pace import Pace


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


def test_without_a_terminal_a_line_says_the_end_at_once_and_then_every_half_minute(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = ProgressReport(Pace(TrainConfig(steps=100, batch_size=2, evaluate_steps=1000)))
    progress.begin(0)
    for step in range(1, 21):
        progress.on_step_begin(step)
        clock.seconds += 4
        progress.on_step(step, loss=0.25)
    progress.close()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["step 3/100", "step 11/100", "step 19/100"]
    assert all(", loss 0.250, 0.5 images/s, ends about " in line for line in lines)


def test_scoring_and_checking_print_lines_too(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in track(range(40), "scoring", lines=True):
        clock.seconds += 2
    ends = r", ends about [\w:\- ]+\n"
    assert re.fullmatch(f"scoring: 15 of 40{ends}scoring: 30 of 40{ends}", capsys.readouterr().err)
    with track_count("labeling", 40) as advance:
        for _ in range(4):
            clock.seconds += 16
            advance(10)
    assert re.fullmatch(f"labeling: 20 of 40{ends}labeling: 40 of 40\n", capsys.readouterr().err)
    for _ in track(range(40), "labeling parts", 40):
        clock.seconds += 2
    assert capsys.readouterr().err == ""
