"""Tests of working ahead of the reader."""

import os
import threading
import time
from collections.abc import Iterator

import pytest

from fcn.system import parallel
from fcn.system.parallel import available_cores, map_ahead, map_on_all_cores


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 50])
@pytest.mark.parametrize("workers", [1, 2, 7])
def test_results_come_in_order(count: int, workers: int) -> None:
    def slower_at_first(number: int) -> int:
        time.sleep(0.002 if number % 3 == 0 else 0)
        return number * number

    assert list(map_ahead(slower_at_first, range(count), workers=workers)) == [n * n for n in range(count)]


def test_memory_does_not_grow_with_the_number_of_items() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = map_ahead(lambda number: number, endless(), ahead=3)
    for expected in range(1, 21):
        assert next(results) == expected
        assert taken <= expected + 3
    results.close()  # type: ignore[attr-defined]


def test_work_goes_on_while_the_reader_is_busy() -> None:
    second_began = threading.Event()

    def work(number: int) -> int:
        if number == 1:
            second_began.set()
        return number

    results = map_ahead(work, range(3), ahead=2)
    next(results)
    assert second_began.wait(5)
    assert list(results) == [1, 2]


def test_an_exception_comes_where_its_result_would_have_come() -> None:
    def fail_at_two(number: int) -> int:
        if number == 2:
            raise KeyError("two")
        return number

    results = map_ahead(fail_at_two, range(10))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(KeyError, match="two"):
        next(results)


def test_a_reader_that_stops_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    results = map_ahead(lambda number: number, range(1000))
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_nothing_is_taken_where_there_is_no_room_but_one_always_is() -> None:
    taken: list[int] = []
    room = True

    def items() -> Iterator[int]:
        for number in range(9):
            taken.append(number)
            yield number

    results = map_ahead(lambda number: number, items(), ahead=3, has_room=lambda: room)
    assert next(results) == 0
    assert len(taken) == 4
    room = False
    for expected in range(1, 9):
        assert next(results) == expected
        assert len(taken) == max(4, expected + 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system gives a process all cores")
def test_cores_are_those_of_this_process() -> None:
    allowed = os.sched_getaffinity(0)
    assert available_cores() == len(allowed)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize("cores", [3, 7])
def test_all_cores_work_at_once_and_results_come_in_order(
    cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "available_cores", lambda: cores)
    together = threading.Barrier(cores, timeout=20)

    def work(number: int) -> int:
        together.wait()  # raises if fewer come
        return number

    assert list(map_on_all_cores(work, range(4 * cores))) == list(range(4 * cores))


def test_all_cores_take_a_few_items_ahead_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "available_cores", lambda: 3)
    taken = []
    results = map_on_all_cores(lambda number: number, (taken.append(n) or n for n in range(1000)))
    for expected in range(50):
        assert next(results) == expected
        assert len(taken) <= expected + 1 + 6
    results.close()  # type: ignore[attr-defined]


def test_pythons_garbage_collector_does_not_wait_for_threads() -> None:
    started, go_on = threading.Event(), threading.Event()

    def work(number: int) -> int:
        if number:
            started.set()
            go_on.wait(20)
        return number

    held = [map_ahead(work, range(9))]
    assert next(held[0]) == 0
    assert started.wait(10)
    forgetting = threading.Thread(target=held.clear)
    forgetting.start()
    forgetting.join(10)
    has_forgotten = not forgetting.is_alive()
    go_on.set()
    assert has_forgotten
