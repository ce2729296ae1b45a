"""Tests of working ahead of the reader."""

import threading
import time
from collections.abc import Iterator

import pytest

from fcn.system.parallel import map_ahead


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
