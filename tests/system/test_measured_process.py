"""Tests of tasks in processes of their own, whose memory is measured."""

import time
from functools import partial

import pytest
from measured_tasks import MEBIBYTE, die, fail, refuse, run_out_of_memory, take_memory

from fcn.errors import BackendError, DataError
from fcn.system.measured_process import MemoryLimitError, measure
from fcn.system.memory import available_bytes, peak_bytes


def test_a_task_has_its_own_memory() -> None:
    held = bytearray(b"1") * (300 * MEBIBYTE)  # of this process, which must not count
    small, large = measure(partial(take_memory, 1)), measure(partial(take_memory, 200))
    del held
    assert (small.result, large.result) == (MEBIBYTE, 200 * MEBIBYTE)
    assert small.peak_bytes is not None
    assert large.peak_bytes is not None
    assert 0 < small.peak_bytes < 150 * MEBIBYTE
    assert 190 * MEBIBYTE < large.peak_bytes - small.peak_bytes < 250 * MEBIBYTE


def test_a_task_that_takes_too_much_memory_is_ended_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(MemoryLimitError) as caught:
        measure(partial(take_memory, 300, seconds=600), limit_bytes=100 * MEBIBYTE)
    assert time.monotonic() - began < 300
    assert caught.value.peak_bytes is not None
    assert caught.value.peak_bytes > 100 * MEBIBYTE


def test_a_task_that_took_too_much_memory_for_a_moment_is_found_out() -> None:
    with pytest.raises(MemoryLimitError):
        measure(partial(take_memory, 100), limit_bytes=60 * MEBIBYTE)
    assert measure(partial(take_memory, 1), limit_bytes=150 * MEBIBYTE).result == MEBIBYTE


def test_errors_come_back() -> None:
    with pytest.raises(DataError) as caught:
        measure(refuse)
    assert caught.value.args == ("a.jpg: is not an image", "second line")
    with pytest.raises(BackendError, match=r"exit code 1:\n(.*\n)*  RuntimeError: what went wrong"):
        measure(fail)
    with pytest.raises(BackendError, match="exit code 9"):
        measure(die)
    with pytest.raises(MemoryLimitError):
        measure(run_out_of_memory)


def test_memory_of_processes_and_of_the_machine_is_known_here() -> None:
    own, all_free = peak_bytes(), available_bytes()
    assert own is not None
    assert all_free is not None
    assert own > 10 * MEBIBYTE
    assert all_free > 10 * MEBIBYTE
    assert peak_bytes(2**30) is None  # there is no such process
