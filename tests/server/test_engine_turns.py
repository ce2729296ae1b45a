import threading
import time

import pytest
from http_server import wait_until

from fcn.server.engine_turns import EngineTurns

SHAPE = (1, 4, 5, 3)


class Bounded:
    """An engine that keeps what its images need."""

    name, precision, bits, classes = "bounded", "float32", 16, None
    map_bytes, least_map_bytes = 100, 10

    def __init__(self, needed):
        self.needed, self.released = needed, 0

    def label(self, images):
        raise NotImplementedError

    logits = limit = label

    def needed_bytes(self, shape):
        return self.needed

    def release(self):
        self.released += 1


def test_turns_come_in_the_order_of_asking():
    turns, order, threads = EngineTurns(60), [], []

    def compute(number):
        with turns.take(Bounded(1)):
            order.append(number)
            time.sleep(0.01)

    with turns.take(Bounded(1)):
        for number in range(4):
            threads.append(threading.Thread(target=compute, args=(number,)))
            threads[-1].start()
            wait_until(lambda: len(turns._waiting) == len(threads))
        assert not order
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2, 3]


def test_two_engines_that_always_have_work_alternate():
    turns, order, both = EngineTurns(60), [], threading.Barrier(2)

    def compute(name):
        both.wait(10)
        for _ in range(20):
            with turns.take(Bounded(1)):
                order.append(name)
                time.sleep(0.005)

    threads = [threading.Thread(target=compute, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    first = "".join(order)[:20]
    assert 8 <= first.count("a") <= 12


def test_an_engine_that_hangs_keeps_its_turn_for_the_limit_only():
    turns, go_on = EngineTurns(0.3), threading.Event()
    hanging = Bounded(90)

    def hang():
        with turns.take(hanging) as turn:
            turn.make_room(SHAPE)
            go_on.wait(20)

    thread = threading.Thread(target=hang)
    thread.start()
    wait_until(lambda: turns._current is not None)
    begin = time.monotonic()
    for _ in range(2):  # it is waited for once
        with turns.take(Bounded(90)) as turn:
            turn.make_room(SHAPE)
            assert 0.1 < time.monotonic() - begin < 10
    go_on.set()
    thread.join(10)
    assert hanging.released == 0  # it could not answer
    with turns.take(hanging):
        pass


def test_an_error_gives_the_turn_back():
    turns = EngineTurns(60)
    with pytest.raises(StopIteration), turns.take(Bounded(1)):
        raise StopIteration
    with turns.take(Bounded(1)):
        pass


def compute(turns, engine):
    with turns.take(engine) as turn:
        turn.make_room(SHAPE)


def test_engines_give_back_what_they_keep_only_where_it_is_needed():
    turns, one, two = EngineTurns(60), Bounded(40), Bounded(50)
    for engine in (one, two, one, two):
        compute(turns, engine)
    assert (one.released, two.released) == (0, 0)
    two.needed = 70
    compute(turns, two)
    assert (one.released, two.released) == (1, 0)
    compute(turns, one)  # the other keeps the most that it needed
    assert (one.released, two.released) == (1, 1)
    turns.forget(one)
    compute(turns, two)
    assert one.released == 1


def test_engines_give_back_what_they_keep_when_the_limit_is_lower():
    turns, one, two = EngineTurns(60), Bounded(40), Bounded(50)
    compute(turns, one)
    compute(turns, two)
    turns.release_beyond_limit()
    assert (one.released, two.released) == (0, 0)
    one.map_bytes = two.map_bytes = 80  # less than both together
    turns.release_beyond_limit()
    assert (one.released, two.released) == (1, 1)
    turns.release_beyond_limit()  # nothing is kept any more
    assert (one.released, two.released) == (1, 1)
