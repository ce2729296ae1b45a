import gc
import time
import weakref

import numpy as np
import pytest
from http_server import wait_until
from pausable_engine import PausableEngine, flat

from fcn.inference.predictor import Predictor
from fcn.inference.tiling.memory import least_map_bytes
from fcn.inference.tiling.tiles import TiledEngine
from fcn.inference.tiling.windows import smallest_window
from fcn.models.fields import NetDescription
from fcn.server.batcher import Batcher
from fcn.server.engine_turns import EngineTurns
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.observability.metrics import Metrics

NEVER = float("inf")


def make_batcher(engine, batch_images, wait_seconds, metrics=None, turns=None):
    predictor, of_model = Predictor.from_engine(engine), (metrics or Metrics()).of_model("fcn")
    return Batcher(predictor, batch_images, wait_seconds, of_model, turns or EngineTurns(60))


@pytest.fixture
def engine():
    return PausableEngine()


@pytest.fixture
def batcher(engine):
    batcher = make_batcher(engine, 4, 0)
    yield batcher
    engine.resumed.set()
    batcher.close()


def hold(engine, batcher):
    """Lets the engine start with one image and pause; returns the future of its label."""
    engine.resumed.clear()
    first = batcher.submit(flat(0), NEVER)
    assert engine.started.wait(10)
    return first


def test_each_image_gets_its_own_answer(batcher):
    waiting = [batcher.submit(flat(value), NEVER) for value in range(20)]
    for value, answer in enumerate(waiting):
        np.testing.assert_array_equal(answer.result(10).label, np.full((4, 5), value))
        assert answer.result().mean_confidence == 0.5


def test_images_of_one_size_that_wait_are_labeled_together_in_powers_of_two(engine, batcher):
    first = hold(engine, batcher)
    waiting = [batcher.submit(flat(value), NEVER) for value in range(7)]
    engine.resumed.set()
    for answer in [first, *waiting]:
        answer.result(10)
    assert [shape[0] for shape in engine.batches] == [1, 4, 2, 1]


def test_other_sizes_and_other_wishes_wait_for_a_batch_of_their_own(engine, batcher):
    first = hold(engine, batcher)
    wishes = [
        (4, False),
        (9, False),
        (4, True),
        (4, False),
        (9, False),
    ]
    waiting = [batcher.submit(flat(1, height), NEVER, with_logits) for height, with_logits in wishes]
    engine.resumed.set()
    shapes = [answer.result(10).label.shape for answer in [first, *waiting]]
    assert shapes == [(4, 5), (4, 5), (9, 5), (4, 5), (4, 5), (9, 5)]
    scores = [answer.result().logits for answer in waiting]
    assert [None if one is None else one.shape for one in scores] == [None, None, (4, 5, 3), None, None]
    # The oldest that waits is always among the next.
    assert [shape[:2] for shape in engine.batches] == [(1, 4), (2, 4), (2, 9), (1, 4)]


def test_logits_are_those_of_the_image(batcher):
    answer = batcher.submit(flat(2), NEVER, with_logits=True).result(10)
    np.testing.assert_array_equal(answer.logits[0, 0], [0, 0, 1])
    assert (answer.label == 2).all()
    assert answer.mean_confidence == pytest.approx(np.e / (np.e + 2))


def test_the_first_of_a_batch_waits_for_others_but_not_for_ever(engine):
    batcher = make_batcher(engine, 2, 0.5)
    pair = [batcher.submit(flat(value), NEVER) for value in range(2)]
    alone = batcher.submit(flat(2), NEVER)
    for answer in [*pair, alone]:
        answer.result(10)
    batcher.close()
    assert [shape[0] for shape in engine.batches] == [2, 1]


def test_closing_answers_what_waits_at_once_and_refuses_the_rest(engine):
    batcher = make_batcher(engine, 2, 3600)
    waiting = batcher.submit(flat(1), NEVER)
    batcher.close()
    assert waiting.result(0).label[0, 0] == 1
    with pytest.raises(ServerError) as refused:
        batcher.submit(flat(1), NEVER).result(0)
    assert refused.value.kind is ErrorKind.STOPPING


def test_an_image_whose_time_is_over_is_not_labeled(engine, batcher):
    first = hold(engine, batcher)
    late = batcher.submit(flat(1), time.monotonic() - 1)
    in_time = batcher.submit(flat(2, 8), NEVER)
    engine.resumed.set()
    with pytest.raises(ServerError, match="waited") as refused:
        late.result(10)
    assert refused.value.kind is ErrorKind.TIMED_OUT
    in_time.result(10)
    first.result(10)
    assert [shape[:2] for shape in engine.batches] == [(1, 4), (1, 8)]


def test_an_image_that_nobody_waits_for_is_not_labeled(engine, batcher):
    first = hold(engine, batcher)
    given_up = batcher.submit(flat(1), NEVER)
    assert given_up.cancel()
    engine.resumed.set()
    first.result(10)
    batcher.close()
    assert len(engine.batches) == 1


def test_an_image_that_nobody_waits_for_takes_no_memory_while_the_engine_is_busy(engine, batcher):
    first = hold(engine, batcher)
    image = flat(1)
    kept, given_up = weakref.ref(image), batcher.submit(image, NEVER)
    del image
    gc.collect()
    assert kept() is not None
    given_up.cancel()
    gc.collect()
    assert kept() is None
    engine.resumed.set()
    first.result(10)


def test_the_first_of_a_batch_may_be_given_up_while_it_waits_for_others(engine):
    batcher = make_batcher(engine, 2, 0.3)
    given_up = batcher.submit(flat(1), NEVER)
    time.sleep(0.1)
    assert given_up.cancel()
    assert batcher.submit(flat(2, 8), NEVER).result(10).label[0, 0] == 2
    batcher.close()
    assert [shape[:2] for shape in engine.batches] == [(1, 8)]


class WindowedEngine(PausableEngine):
    """A pausable engine whose large images are labeled in windows."""

    net = NetDescription(8, "same", 1.0, 1 / 32, 3)

    def shrunk_logits(self, images):
        raise AssertionError("the net has the size of the images")


@pytest.fixture
def windowed(engine):
    engine = WindowedEngine()
    batcher = make_batcher(TiledEngine(engine, least_map_bytes(engine)), 4, 0)
    yield engine, batcher
    engine.resumed.set()
    batcher.close()


def large_image():
    return np.random.default_rng(0).integers(
        0, 3, (smallest_window(WindowedEngine.net.halo()), 2500, 3), np.uint8
    )


def test_images_that_arrive_meanwhile_come_between_the_windows_of_a_large_one(windowed):
    engine, batcher = windowed
    image = large_image()
    engine.resumed.clear()
    large = batcher.submit(image, NEVER)
    assert engine.started.wait(10)
    small = [batcher.submit(flat(value, height), NEVER) for value, height in ((1, 4), (2, 9))]
    engine.resumed.set()
    assert [answer.result(10).label[0, 0] for answer in small] == [1, 2]
    np.testing.assert_array_equal(large.result(20).label, image[..., 0])
    heights = [shape[1] for shape in engine.batches]
    windows = heights.count(len(image))
    assert windows > 3
    assert heights == [len(image), 4, 9, *[len(image)] * (windows - 1)]


def test_a_large_image_goes_on_while_small_ones_come(windowed):
    engine, batcher = windowed
    engine.resumed.clear()
    large = batcher.submit(large_image(), NEVER, with_logits=True)
    assert engine.started.wait(10)
    answers = [batcher.submit(flat(1), NEVER) for _ in range(9)]
    engine.resumed.set()
    while not large.done():  # the next comes as soon as the last is answered
        answers.append(batcher.submit(flat(1), NEVER))
        answers[-1].result(10)
    assert large.result().logits.shape == (*large_image().shape[:2], 3)
    assert all(answer.result(10).label[0, 0] == 1 for answer in answers)


def test_a_large_image_that_nobody_waits_for_is_given_up_after_a_window(windowed):
    engine, batcher = windowed
    image = large_image()
    kept = weakref.ref(image)
    engine.resumed.clear()
    large = batcher.submit(image, NEVER)
    del image
    assert engine.started.wait(10)
    assert large.cancel()
    engine.resumed.set()
    assert batcher.submit(flat(1), NEVER).result(10).label[0, 0] == 1
    batcher.close()
    assert [shape[1] for shape in engine.batches][1:] == [4]
    del large
    gc.collect()
    assert kept() is None


def test_a_large_image_whose_time_is_over_is_given_up_after_a_window(windowed):
    engine, batcher = windowed
    engine.resumed.clear()
    deadline = time.monotonic() + 2
    large = batcher.submit(large_image(), deadline)
    assert engine.started.wait(10)
    wait_until(lambda: time.monotonic() > deadline)
    engine.resumed.set()
    with pytest.raises(ServerError, match="waited") as refused:
        large.result(10)
    assert refused.value.kind is ErrorKind.TIMED_OUT
    assert len(engine.batches) == 1


def test_an_engine_that_gets_on_is_not_stuck(engine, batcher):
    assert batcher.stuck_seconds() == 0
    first = hold(engine, batcher)
    time.sleep(0.2)
    second = batcher.submit(flat(1), NEVER)
    assert 0.2 <= batcher.stuck_seconds() < 10
    second.cancel()
    first.cancel()
    assert batcher.stuck_seconds() >= 0.2  # the engine is still at it
    engine.resumed.set()
    assert batcher.submit(flat(1), NEVER).result(10).label[0, 0] == 1
    wait_until(lambda: batcher.stuck_seconds() == 0)


@pytest.fixture
def waiting_batcher():
    """A batcher whose images wait for others, with an engine for large images."""
    engine = WindowedEngine()
    batcher = make_batcher(TiledEngine(engine, least_map_bytes(engine)), 4, 0.3)
    yield engine, batcher
    engine.resumed.set()
    batcher.close()


def test_a_large_image_goes_on_when_the_last_small_one_is_given_up(waiting_batcher):
    engine, batcher = waiting_batcher
    engine.resumed.clear()
    large = batcher.submit(large_image(), NEVER)
    assert engine.started.wait(10)
    small = batcher.submit(flat(1), NEVER)
    engine.resumed.set()
    wait_until(lambda: engine.batches)
    time.sleep(0.1)  # the small one waits for others of its size
    small.cancel()
    assert large.result(10).label.shape == large_image().shape[:2]
    wait_until(lambda: batcher.stuck_seconds() == 0)


def test_large_images_that_nobody_waits_for_take_no_memory_behind_another(windowed):
    engine, batcher = windowed
    engine.resumed.clear()
    first = batcher.submit(large_image(), NEVER)
    assert engine.started.wait(10)
    image = large_image()
    kept, second = weakref.ref(image), batcher.submit(image, NEVER)
    del image
    engine.started.clear()
    engine.resumed.set()
    first_windows = len(engine.batches)
    wait_until(lambda: len(engine.batches) > first_windows)  # the second is behind the first now
    engine.resumed.clear()
    second.cancel()
    del second
    gc.collect()
    wait_until(lambda: gc.collect() is not None and kept() is None)
    engine.resumed.set()
    assert first.result(10).label.shape == large_image().shape[:2]


@pytest.fixture
def other_model(engine):
    """Yields an engine, its batcher, and turns that they share with the batchers of other models."""
    turns = EngineTurns(60)
    batcher = make_batcher(engine, 4, 0, turns=turns)
    yield engine, batcher, turns
    engine.resumed.set()
    batcher.close()


def test_images_that_nobody_waits_for_are_not_labeled_when_the_turn_of_their_model_comes(other_model):
    busy, other, turns = other_model
    metrics, engine = Metrics(), PausableEngine()
    batcher = make_batcher(engine, 4, 0, metrics, turns)
    first = hold(busy, other)
    image, deadline = flat(1), time.monotonic() + 0.3
    kept, given_up = weakref.ref(image), batcher.submit(image, NEVER)
    del image
    late = batcher.submit(flat(2), deadline)
    time.sleep(0.1)  # the batcher waits for its turn
    wanted = [batcher.submit(flat(value), NEVER) for value in range(2)]
    assert given_up.cancel()
    gc.collect()
    assert kept() is None
    assert batcher.stuck_seconds() > 0
    wait_until(lambda: time.monotonic() > deadline)
    busy.resumed.set()
    with pytest.raises(ServerError, match="waited") as refused:
        late.result(10)
    assert refused.value.kind is ErrorKind.TIMED_OUT
    assert [answer.result(10).label[0, 0] for answer in [first, *wanted]] == [0, 0, 1]
    batcher.close()
    assert sum(shape[0] for shape in engine.batches) == 2
    waited = metrics.of_model("fcn").values()["fcn_queue_seconds_sum",]
    assert 3 * 0.15 < waited < 30


def test_a_large_image_that_nobody_waits_for_is_given_up_while_another_model_has_its_turn(other_model):
    busy, other, turns = other_model
    engine = WindowedEngine()
    batcher = make_batcher(TiledEngine(engine, least_map_bytes(engine)), 4, 0, turns=turns)
    engine.resumed.clear()
    image, deadline = large_image(), time.monotonic() + 2
    kept, given_up = weakref.ref(image), batcher.submit(image, NEVER)
    late = batcher.submit(large_image(), deadline)
    del image
    assert engine.started.wait(10)
    busy.resumed.clear()
    first = other.submit(flat(0), NEVER)
    wait_until(lambda: turns._waiting)  # it comes before the next window
    engine.resumed.set()
    assert busy.started.wait(10)  # between two windows
    assert given_up.cancel()
    wait_until(lambda: gc.collect() is not None and kept() is None)
    wait_until(lambda: time.monotonic() > deadline)
    busy.resumed.set()
    with pytest.raises(ServerError, match="waited"):
        late.result(10)
    first.result(10)
    batcher.close()
    assert len(engine.batches) == 1


def test_closing_finishes_large_images(windowed):
    _, batcher = windowed
    image = large_image()
    waiting = [batcher.submit(image, NEVER) for _ in range(2)]
    batcher.close()
    for answer in waiting:
        np.testing.assert_array_equal(answer.result(0).label, image[..., 0])


def test_an_engine_that_fails_answers_the_next(batcher):
    broken = batcher.submit(flat(0, mark=98), NEVER)
    with pytest.raises(RuntimeError, match="broken"):
        broken.result(10)
    assert batcher.submit(flat(2), NEVER).result(10).label[0, 0] == 2


def test_too_little_memory_is_said_of_the_image(batcher):
    with pytest.raises(ServerError, match="5 x 4 pixels") as refused:
        batcher.submit(flat(0, mark=99), NEVER).result(10)
    assert refused.value.kind is ErrorKind.TOO_LARGE


def test_a_batch_that_does_not_fit_into_memory_is_labeled_one_by_one(engine, batcher):
    first = hold(engine, batcher)
    waiting = [batcher.submit(flat(value, mark=97), NEVER) for value in range(4)]
    engine.resumed.set()
    first.result(10)
    assert [answer.result(10).label[0, 0] for answer in waiting] == [0, 1, 2, 3]
    assert [shape[0] for shape in engine.batches] == [1, 4, 1, 1, 1, 1]


def test_batches_are_counted():
    metrics = Metrics()
    batcher = make_batcher(PausableEngine(), 4, 0, metrics)
    for value in range(3):
        batcher.submit(flat(value), NEVER).result(10)
    batcher.close()
    assert b'fcn_images_total{model="fcn"} 3.0' in metrics.text()
    assert b'fcn_batch_images_count{model="fcn"} 3.0' in metrics.text()
    assert batcher.seconds_per_image > 0
