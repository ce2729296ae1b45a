"""Tests of processes that are timed in turn."""

import time
from types import SimpleNamespace

import pytest
from timed_tasks import Dying, Ones, Raising, Sharing, Unstartable

from fcn.comparison import timing
from fcn.comparison.timing import ROUNDS, Timing, time_tasks
from fcn.system import memory

MEBIBYTE = 2**20


@pytest.mark.slow
def test_each_has_its_own_memory_and_what_fails_is_left_out(capsys) -> None:
    held = bytearray(b"1") * (700 * MEBIBYTE)  # of this process, which the timed processes must not count
    tasks = {
        "small": Ones(1),
        "wrong": Raising(),
        "dead": Dying(),
        "large": Sharing(150),
        "none": Unstartable(),
    }
    found = time_tasks(tasks, "timing")
    del held
    assert list(found) == ["small", "large"]
    assert all(len(one.seconds) == ROUNDS and min(one.seconds) > 0 for one in found.values())
    small, large = found["small"], found["large"]
    grown = (large.peak_bytes - large.idle_bytes) / MEBIBYTE
    assert 140 < grown < 250
    assert small.peak_bytes / MEBIBYTE < 400
    errors = capsys.readouterr().err
    announced = [line for line in errors.splitlines() if line.startswith("Timing: ")]
    assert announced == [
        f"Timing: {name}, {n} of 4." for n, name in enumerate(("small", "wrong", "dead", "large"), 1)
    ]
    assert "wrong could not be timed: ValueError: no such thing" in errors
    assert "none could not be timed: OSError: no such backend" in errors
    assert "dead could not be timed: its process ended with exit code 9" in errors


def test_the_middle_of_the_times_counts() -> None:
    assert Timing((9.0, 1.0, 2.0), 0, 0).median == 2.0


def test_each_round_begins_with_another_one() -> None:
    rounds = list(timing._rounds(["a", "b", "c"]))
    assert len(rounds) == ROUNDS
    assert [members[0] for members in rounds[:4]] == ["a", "b", "c", "a"]
    assert all(sorted(members) == ["a", "b", "c"] for members in rounds)


def test_slow_things_are_timed_less_often(monkeypatch) -> None:
    monkeypatch.setattr(timing, "_SECONDS", 0.01)
    count = 0
    for _ in timing._rounds(["a"]):
        time.sleep(0.02)
        count += 1
    assert 3 <= count < ROUNDS


def test_another_process_needs_room(monkeypatch, tmp_path) -> None:
    meminfo = tmp_path / "meminfo"
    monkeypatch.setattr(memory, "_MACHINE", meminfo)
    group = [SimpleNamespace(peak_bytes=100 * MEBIBYTE), SimpleNamespace(peak_bytes=400 * MEBIBYTE)]
    assert timing._has_room(group)  # nobody knows
    meminfo.write_text(f"MemTotal: 9000000 kB\nMemAvailable:  {599 * 1024} kB\n")
    assert not timing._has_room(group)
    meminfo.write_text(f"MemTotal: 9000000 kB\nMemAvailable:  {601 * 1024} kB\n")
    assert timing._has_room(group)
